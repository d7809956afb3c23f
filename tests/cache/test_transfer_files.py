"""Files that are no results travel too: sealed ones, and large ones that tell by themselves whether they are whole."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cache import arrival, faults
from cache.directory import Directory
from cache.errors import DamageError
from cache.remote import Remote
from cache.store import Store, open_sealed, seal
from cache.transfer import Transfer, open_remote
from tests.cache.test_transfer import flip

PATH = "weights/net.safetensors"
WHOLE = b"whole" + bytes(range(256)) * 2000


def check(path: Path) -> str:
    return "" if path.suffix == ".safetensors" and path.read_bytes() == WHOLE else "it is not whole"


def fine(value: dict[str, Any]) -> str:
    return "" if "current" in value else "it says nothing"


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    """A store with one file of each kind."""
    store = Store(tmp_path / "source")
    store.prepare()
    store.write(store.root / PATH, WHOLE, read_only=True)
    store.write(store.root / "imports" / "d.json", seal({"current": {"a": 1}}))
    return Directory(store.root, own=True)


@pytest.fixture(params=["directory", "url"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    """An empty store, in a directory or behind a URL."""
    if request.param == "url":
        pytest.importorskip("fsspec", reason="fsspec is not installed")
        made = open_remote(f"file://{tmp_path}/target", create=True)
    else:
        made = Directory(tmp_path / "target")
    made.prepare()
    return made


def test_a_large_file_arrives_whole_and_is_not_sent_again(source: Directory, target: Remote, tmp_path: Path) -> None:
    told: list[int] = []
    first = Transfer(source, target, travelled=told.append)
    assert first.file(PATH, check) and (first.moved.files, first.moved.size) == (1, len(WHOLE)) and sum(told) == len(WHOLE)
    assert (tmp_path / "target" / PATH).read_bytes() == WHOLE
    again = Transfer(source, target)
    assert not again.file(PATH, check) and again.moved.files == 0
    assert not Transfer(source, target).file("weights/other.safetensors", check)


def test_a_damaged_file_is_not_taken_over(source: Directory, target: Remote, tmp_path: Path) -> None:
    flip(source.root / PATH, 100)
    with pytest.raises(DamageError, match="it is not whole"):
        Transfer(source, target).file(PATH, check)
    assert not (tmp_path / "target" / PATH).exists()


def test_a_dry_run_only_counts(source: Directory, target: Remote, tmp_path: Path) -> None:
    transfer = Transfer(source, target, dry_run=True)
    assert transfer.file(PATH, check) and transfer.sealed("imports/d.json", fine) == {"current": {"a": 1}}
    assert transfer.moved.files == 2 and not (tmp_path / "target" / "weights").exists() and not (tmp_path / "target" / "imports").exists()


def test_what_an_earlier_transfer_left_is_gone_on_with_or_thrown_away(source: Directory, tmp_path: Path) -> None:
    target = Directory(tmp_path / "target")
    target.prepare()
    for left in (WHOLE[:300_000], b"other" * 1000, WHOLE + b"more"):
        with pytest.raises(KeyError), arrival._arriving(target.store, arrival.hashlib.sha256(PATH.encode()).hexdigest()) as temporary:
            (temporary / "net.safetensors").write_bytes(left)
            raise KeyError("killed")
        told: list[int] = []
        assert Transfer(source, target, travelled=told.append).file(PATH, check)
        assert (target.root / PATH).read_bytes() == WHOLE
        if left == WHOLE[:300_000]:
            assert sum(told) == len(WHOLE) - len(left)
        (target.root / PATH).unlink()


def test_a_kill_at_any_step_leaves_nothing_half_made(source: Directory, tmp_path: Path) -> None:
    for step in range(1, 60):
        child = os.fork()
        if child == 0:
            faults._active = faults.Fault(f"kill:{step}")
            Transfer(source, Directory(tmp_path / "target")).file(PATH, check)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        final = tmp_path / "target" / PATH
        assert not final.exists() or final.read_bytes() == WHOLE
        if os.WIFEXITED(status):
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert step > 3 and final.read_bytes() == WHOLE


def test_a_sealed_file_is_kept_where_there_is_one_unless_it_is_to_be_replaced(source: Directory, target: Remote, tmp_path: Path) -> None:
    path = "imports/d.json"
    assert Transfer(source, target).sealed(path, fine) == {"current": {"a": 1}}
    source.write(path, seal({"current": {"a": 2}}), read_only=False)
    assert Transfer(source, target).sealed(path, fine) is None
    assert open_sealed((tmp_path / "target" / path).read_bytes()) == {"current": {"a": 1}}
    assert Transfer(source, target).sealed(path, fine, replace=True) == {"current": {"a": 2}}
    assert open_sealed((tmp_path / "target" / path).read_bytes()) == {"current": {"a": 2}}
    assert Transfer(source, target).sealed(path, fine, replace=True) is None  # equal bytes are not written again
    assert Transfer(source, target).sealed("imports/none.json", fine) is None


@pytest.mark.parametrize("data", [b"{}", b"\xff", seal({"other": 1})], ids=["unsealed", "no-json", "refused"])
def test_a_sealed_file_that_is_not_what_it_should_be_is_not_taken_over(source: Directory, tmp_path: Path, data: bytes) -> None:
    source.write("imports/d.json", data, read_only=False)
    target = Directory(tmp_path / "target")
    target.prepare()
    with pytest.raises(DamageError, match="not taken over"):
        Transfer(source, target).sealed("imports/d.json", fine)
    assert not (tmp_path / "target" / "imports").exists()
