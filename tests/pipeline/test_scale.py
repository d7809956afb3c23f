"""What judging many raw files costs, in calls rather than seconds."""

from pathlib import Path

import pytest

from cache import listing, memo
from cache.store import Store
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge

FILES = 40


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    for n in range(FILES):
        path = root / f"{n % 3}" / f"{n}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"video {n}")
    return root


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had been left alone for long."""
    monkeypatch.setattr(memo, "RACY_NS", -(10**12))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files whose content was read, as it goes on."""
    seen: list[Path] = []
    digest_file = memo.digest_file
    monkeypatch.setattr(memo, "digest_file", lambda path: seen.append(path) or digest_file(path))
    return seen


def sources(tmp_path: Path, raw: Path) -> str:
    """The key's digest of the raw files, by a judge that knows only what is on disk."""
    judge = Judge(Store(tmp_path / "store"), build(Config("folder", "videoqa", root=raw)), device="cpu", read_files=True)
    return judge.key(judge.graph.nodes["index"]).sources


def test_a_warm_judge_looks_at_every_file_once_and_reads_none(tmp_path, raw, settled, read, monkeypatch) -> None:
    cold = sources(tmp_path, raw)
    assert len(read) == FILES
    read.clear()
    looked: list[str] = []
    look = listing.look
    monkeypatch.setattr(listing, "look", lambda path: looked.append(path) or look(path))
    (tmp_path / "store" / "memo" / "digests.log").unlink()  # not needed: the listing as a whole is known
    assert sources(tmp_path, raw) == cold
    assert read == []
    assert sorted(looked) == sorted(str(path) for path in raw.rglob("*.mp4"))


def test_of_many_files_only_the_changed_one_is_read(tmp_path, raw, settled, read) -> None:
    cold = sources(tmp_path, raw)
    read.clear()
    (raw / "1" / "1.mp4").write_text("another video")
    changed = sources(tmp_path, raw)
    assert changed != cold
    assert read == [raw / "1" / "1.mp4"]
    (raw / "1" / "1.mp4").write_text("video 1")
    assert sources(tmp_path, raw) == cold


def test_a_file_under_another_name_is_another_listing(tmp_path, raw, settled) -> None:
    cold = sources(tmp_path, raw)
    (raw / "1" / "1.mp4").rename(raw / "1" / "one.mp4")
    assert sources(tmp_path, raw) != cold


def test_files_that_were_just_written_are_read_again(tmp_path, raw, read) -> None:
    sources(tmp_path, raw)
    sources(tmp_path, raw)
    assert len(read) >= 2 * FILES
    assert not (tmp_path / "store" / "memo" / "listings.log").exists()


def test_a_damaged_memory_of_listings_is_not_used(tmp_path, raw, settled, read) -> None:
    cold = sources(tmp_path, raw)
    log = tmp_path / "store" / "memo" / "listings.log"
    line = log.read_bytes()
    log.write_bytes(line.replace(cold[:8].encode(), b"00000000"))
    assert sources(tmp_path, raw) == cold
    assert len(log.read_bytes().splitlines()) == 2
