"""Locks save work: they die with their holder, say who it is, and are never needed for a right result."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cache import locks, machine
from cache.leftovers import GIVEN_UP
from cache.locks import Holder, Owner
from cache.store import Store

PROJECT = Path(__file__).parents[2]

HOLD = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from cache import locks
    lock = locks.acquire(Path(sys.argv[1]))
    lock.describe("sample", {"objects": ["o"]})
    if len(sys.argv) == 2 or os.fork() == 0:  # a worker that outlives its parent speaks once it runs: it has let go of the lock then
        print("held", flush=True)
    time.sleep(60)
    """
)


def hold(path: Path, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), *arguments], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_held_lock_says_who_holds_it_and_what_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = hold(path)
    holder = locks.holder_of(path)
    assert holder is not None and (holder.owner.pid, holder.what, holder.uses) == (process.pid, "sample", {"objects": ["o"]})
    assert f"process {process.pid} (since " in str(holder)
    assert locks.acquire(path, wait=False) is None
    process.kill()
    process.wait()


@pytest.mark.parametrize("arguments", [(), ("with a worker",)])
def test_a_killed_holder_holds_nothing_even_if_its_worker_lives_on(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "lock"
    process = hold(path, *arguments)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert locks.holder_of(path) is None
    lock = locks.acquire(path, wait=False)
    assert lock is not None
    lock.release()
    assert not path.exists()


def test_a_released_lock_is_gone_and_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(3):
        lock = locks.acquire(path)
        assert lock is not None
        lock.describe("x", {})
        assert locks.holder_of(path) is not None
        lock.release()
        assert not path.exists() and locks.holder_of(path) is None


def test_whoever_waits_is_told_once_for_whom_and_gets_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = hold(path)
    told: list[Holder | None] = []

    def waiting(holder: Holder | None) -> None:
        told.append(holder)
        process.kill()
        process.wait()

    lock = locks.acquire(path, waiting=waiting)
    assert lock is not None
    assert [holder.owner.pid for holder in told if holder] == [process.pid]
    lock.release()


def on_another_machine(path: Path, **changes: object) -> None:
    owner = replace(Owner.me(), host="elsewhere", boot="b", **changes)
    path.write_text(json.dumps(asdict(Holder(owner, "sample", time.time(), {}))))


def test_where_kernel_locks_do_not_reach_a_beating_heart_elsewhere_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    on_another_machine(path)
    assert locks.acquire(path, wait=False) is None
    holder = locks.holder_of(path)
    assert holder is not None and "on elsewhere" in str(holder)
    past = time.time() - locks.DEAD_AFTER - 5
    os.utime(path, (past, past))
    assert locks.holder_of(path) is None
    lock = locks.acquire(path, wait=False)
    assert lock is not None
    lock.release()


def test_a_file_system_without_locks_falls_back_to_heartbeats(tmp_path: Path, monkeypatch) -> None:
    without_locks(monkeypatch)
    path = tmp_path / "lock"
    lock = locks.acquire(path, wait=False)
    assert lock is not None
    lock.describe("sample", {})
    assert locks.holder_of(path) is not None
    lock.release()
    on_another_machine(path)
    assert locks.acquire(path, wait=False) is None


def without_locks(monkeypatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(37, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def in_another_container(**changes: object) -> Owner:
    """A process of a container with our host name on our machine: its number may be that of nobody here, or of somebody else."""
    return replace(Owner.me(), **{"space": "4026532999", "pid": 2**22 + 1, "started": 1, **changes})


def test_what_another_container_with_our_host_name_is_at_is_not_taken_over(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "lock"
    path.write_text(json.dumps(asdict(Holder(in_another_container(), "sample", time.time(), {}))))
    lock = locks.acquire(path, wait=False)  # the kernel says for all containers that nobody holds it
    assert lock is not None
    lock.release()
    path.write_text(json.dumps(asdict(Holder(in_another_container(), "sample", time.time(), {}))))
    without_locks(monkeypatch)
    assert locks.acquire(path, wait=False) is None
    assert "in another container" in str(locks.holder_of(path))
    past = time.time() - locks.DEAD_AFTER - 5
    os.utime(path, (past, past))
    assert locks.holder_of(path) is None and locks.acquire(path, wait=False) is not None


def test_without_locks_of_the_kernel_a_living_process_here_keeps_its_own(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "lock"
    without_locks(monkeypatch)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    owner = replace(Owner.me(), pid=process.pid, started=locks._started(process.pid))
    path.write_text(json.dumps(asdict(Holder(owner, "sample", time.time(), {}))))
    assert locks.acquire(path, wait=False) is None
    process.kill()
    process.wait()
    assert locks.acquire(path, wait=False) is not None


def test_temporary_files_of_other_containers_and_machines_stay_until_they_are_given_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    elsewhere = [in_another_container(), replace(Owner.me(), boot="b", machine="m"), replace(Owner.me(), host="other", boot="b")]
    dead = replace(Owner.me(), started=1)
    left = {owner: store.root / "tmp" / owner.token for owner in (*elsewhere, dead)}
    for path in left.values():
        (path / "files").mkdir(parents=True)
        (path / "files" / "half").write_text("x")
    store.prepare()
    assert [path.exists() for path in left.values()] == [True, True, True, False]
    past = time.time() - GIVEN_UP - 60
    for owner in elsewhere:
        for path in (left[owner], left[owner] / "files", left[owner] / "files" / "half"):
            os.utime(path, (past, past))
    (left[elsewhere[0]] / "files" / "more").write_text("still at work")
    (tmp_path / "locks" / "k.lock").write_text(json.dumps(asdict(Holder(elsewhere[2], "train", time.time(), {}))))
    Store(tmp_path).prepare()
    assert [left[owner].exists() for owner in elsewhere] == [True, False, True]


def test_what_was_left_before_a_restart_goes_when_it_rests_for_a_while_and_no_machine_of_the_same_image_is_at_it(tmp_path: Path) -> None:
    store, owners = Store(tmp_path), [replace(Owner.me(), boot="b"), replace(Owner.me(), boot="of a twin")]
    left = [store.root / "tmp" / owner.token for owner in owners]
    for path in left:
        path.mkdir(parents=True)
    store.prepare()
    assert all(path.exists() for path in left)
    past = time.time() - locks.DEAD_AFTER - 5
    for path in left:
        os.utime(path, (past, past))
    lock = tmp_path / "locks" / "k.lock"
    lock.write_text(json.dumps(asdict(Holder(owners[1], "train", time.time(), {}))))
    Store(tmp_path).prepare()
    assert [path.exists() for path in left] == [False, True]
    assert locks.acquire(lock, wait=False) is None  # the twin's heart beats


def test_of_two_machines_whoever_made_the_file_has_the_lock_before_it_says_so(tmp_path: Path, monkeypatch) -> None:
    without_locks(monkeypatch)
    monkeypatch.setattr(locks, "CLAIM", 0.5)
    path = tmp_path / "lock"
    first = locks.acquire(path, wait=False)
    assert first is not None and path.stat().st_size == 0
    assert locks.acquire(path, wait=False) is None
    past = time.time() - 1
    os.utime(path, (past, past))  # it was killed before it said anything
    assert locks.acquire(path, wait=False) is not None


def test_a_lock_that_another_machine_took_over_is_not_removed_with_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = locks.acquire(path)
    assert lock is not None
    path.unlink()
    on_another_machine(path)
    lock.release()
    assert locks.holder_of(path) is not None


def test_in_a_sandbox_that_does_not_tell_starts_nobody_of_the_same_host_name_is_judged_by_its_number(monkeypatch) -> None:
    monkeypatch.setattr(machine, "boot_id", lambda: machine.UNKNOWN)
    monkeypatch.setattr(locks, "boot_id", lambda: machine.UNKNOWN)
    other = replace(Owner.me(), pid=2**22 + 1, started=1)
    assert other.boot == machine.UNKNOWN and not other.dead and not other.same_kernel


def test_the_heart_beats_while_the_lock_is_held(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(locks, "BEAT", 0.05)
    path = tmp_path / "lock"
    lock = locks.acquire(path)
    assert lock is not None
    lock.describe("x", {})
    os.utime(path, (1.0, 1.0))
    deadline = time.monotonic() + 10
    while path.stat().st_mtime < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.stat().st_mtime > 2
    lock.release()


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    me = Owner.me()
    assert not me.dead
    assert replace(me, started=me.started + 1).dead
    assert replace(me, boot="earlier").restarted and not me.restarted
    assert not replace(me, host="elsewhere", boot="b", started=1).dead  # who knows
    assert Owner.parse(me.token) == me and me.space
    assert not in_another_container().dead and not in_another_container().here
    assert not replace(me, boot="b", machine="of the same name").restarted
    older = Owner.parse(f"{me.host}_{me.boot}_{me.pid}_{me.started}_0123456789ab")
    assert older is not None and older.here and not older.dead  # as older checkouts name their files
    assert Owner.parse("something else") is None


def test_a_zombie_holds_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    owner = Owner(Owner.me().host, Owner.me().boot, process.pid, locks._started(process.pid))
    deadline = time.monotonic() + 10
    while not owner.dead and time.monotonic() < deadline:
        time.sleep(0.01)
    assert owner.dead
    process.wait()
