"""What a network disk does to a store, without one."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from cache import fs, network
from cache.fsck import Fsck
from cache.store import Store
from tests.cache.publish_everything import publish_everything


def stale(times: int, then: Callable[[], str]) -> Callable[[], str]:
    left = [times]

    def read() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ESTALE, "stale")
        return then()

    return read


def test_what_became_stale_is_read_again_and_given_up_in_the_end() -> None:
    assert network.again(stale(network.TRIES, lambda: "read")) == "read"
    with pytest.raises(OSError, match="stale"):
        network.again(stale(network.TRIES + 1, lambda: "read"))


def test_other_errors_are_not_tried_again() -> None:
    def read() -> str:
        tries.append(1)
        raise FileNotFoundError

    tries: list[int] = []
    with pytest.raises(FileNotFoundError):
        network.again(read)
    assert len(tries) == 1


def test_a_rename_of_something_that_is_not_there_is_an_error_whatever_the_target_is(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("of somebody else")
    with pytest.raises(FileNotFoundError):
        fs.rename(tmp_path / "nothing", tmp_path / "target")


def test_files_that_were_removed_while_they_were_open_are_no_part_of_a_store(tmp_path: Path) -> None:
    publish_everything(tmp_path)
    store = Store(tmp_path)
    before = list(store.refs())
    for room in (
        "refs/d/s",
        "pins",
        "failures",
        "imports",
        *(str(path.relative_to(tmp_path)) for path in (tmp_path / "actions").iterdir()),
    ):
        (tmp_path / room).mkdir(parents=True, exist_ok=True)
        (tmp_path / room / ".nfs0000000000000007").write_text("half")
    assert list(store.refs()) == before and list(Fsck(store, 1.0)) == []


def test_looking_anew_leaves_a_directory_as_it_is(tmp_path: Path) -> None:
    network.look_anew(tmp_path)
    assert list(tmp_path.iterdir()) == []
    network.look_anew(tmp_path / "not there")
