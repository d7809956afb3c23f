"""The digest memo: found by stamps, never by name; racy files are not kept."""

import os
import time
from pathlib import Path

from cache import memo
from cache.digest import digest_file
from cache.memo import DigestMemo


def old_file(path: Path, text: str) -> Path:
    path.write_text(text)
    past = time.time() - 100
    os.utime(path, (past, past))
    return path


def settled(monkeypatch) -> None:
    """As if every file had been left alone for long."""
    monkeypatch.setattr(memo, "RACY_NS", -(10**12))


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch) -> None:
    settled(monkeypatch)
    path = old_file(tmp_path / "a", "one")
    assert DigestMemo(tmp_path / "memo").digest(path) == digest_file(path)
    monkeypatch.setattr(memo, "digest_file", lambda path: 1 / 0)
    assert DigestMemo(tmp_path / "memo").known(path) == digest_file(path)


def test_a_file_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    keeper = DigestMemo(tmp_path / "memo")
    keeper.digest(path)
    assert keeper.known(path) is None


def test_same_size_and_same_mtime_but_other_content_is_noticed(tmp_path: Path, monkeypatch) -> None:
    settled(monkeypatch)
    path = old_file(tmp_path / "a", "one")
    stat = path.stat()
    keeper = DigestMemo(tmp_path / "memo")
    first = keeper.digest(path)
    path.write_text("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert keeper.digest(path) != first


def test_a_replaced_file_is_noticed(tmp_path: Path, monkeypatch) -> None:
    settled(monkeypatch)
    path = old_file(tmp_path / "a", "one")
    keeper = DigestMemo(tmp_path / "memo")
    first = keeper.digest(path)
    old_file(tmp_path / "b", "two").replace(path)
    assert keeper.digest(path) != first


def test_torn_and_damaged_lines_are_ignored(tmp_path: Path, monkeypatch) -> None:
    settled(monkeypatch)
    path = old_file(tmp_path / "a", "one")
    log = tmp_path / "memo"
    DigestMemo(log).digest(path)
    line = log.read_bytes()
    log.write_bytes(line.replace(b" ", b" 9", 1) + line[: len(line) // 2])
    assert DigestMemo(log).known(path) is None
    assert DigestMemo(log).digest(path) == digest_file(path)
