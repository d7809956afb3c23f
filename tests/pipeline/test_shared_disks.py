"""Two machines work on one store over a disk that they mount as NFS clients do: what comes out is what one machine makes on its own disk.

The disk is `tests/shared`: it needs root, namespaces and FUSE, and is left out where they are not to be had.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cache.fsck import Fsck
from cache.store import Store
from tests.shared.client import Manners
from tests.shared.machines import Machine, machines, why_no_disk

#: How disks are mounted: what they remember is longer than any test here, unless it is looked at anew.
MOUNTS = {
    "nfs4": Manners(acreg=60, acdir=60, locks="shared"),
    "nfs3 without locks": Manners(acreg=60, acdir=60, locks="local", lose=5),
    "locks refused": Manners(acreg=60, acdir=60, locks="refused", lose=3),
}
VIDEOS = ("--set", "world.videos=24")

pytestmark = pytest.mark.skipif(bool(reason := why_no_disk()), reason=reason or "this disk can be had")

Pair = tuple[Machine, Machine]


@pytest.fixture(params=["nfs3 without locks", *(pytest.param(name, marks=pytest.mark.long) for name in ("nfs4", "locks refused"))])
def pair(request, tmp_path: Path) -> Iterator[Pair]:
    """Two machines on one disk, mounted in one of these ways."""
    with machines(tmp_path, MOUNTS[request.param]) as (first, second):
        yield first, second


@pytest.fixture
def kdpipe(house) -> Callable[..., subprocess.Popen[str]]:
    """Starts kdpipe on one of the machines, in a toy checkout that both have, with a store on the disk."""

    def start(machine: Machine, *arguments: str) -> subprocess.Popen[str]:
        surroundings = {**house.environment, "KDPIPE_STORE": str(machine.disk / "store"), "PYTHONPATH": ""}
        return machine.start("env", "-C", house.root, sys.executable, "-m", "pipeline", *arguments, **surroundings)

    return start


def done(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, out + errors
    return out


def test_fills_and_a_run_on_two_machines_make_what_one_makes_on_its_own_disk(house, kdpipe, pair: Pair) -> None:
    first, second = pair
    house.run("run", "sample", *VIDEOS)
    alone = json.loads(house.run("show", "sample", "--json").stdout)
    done(kdpipe(first, "run", "index", *VIDEOS))
    slow = (*VIDEOS, "--set", "sample.pause=0.05")
    fills = [kdpipe(pair[n % 2], "fill", "sample", "--shard", f"{n + 1}/3", *slow) for n in range(3)]
    for process in [*fills, kdpipe(second, "run", "sample", *slow)]:
        done(process)
    done(kdpipe(first, "run", "sample", *VIDEOS))
    together = json.loads(done(kdpipe(second, "show", "sample", "--json")))
    assert (together["object"], together["ledger"]) == (alone["object"], alone["ledger"])
    assert " 0 damaged" in done(kdpipe(first, "fsck", "--all"))


@pytest.mark.parametrize("pair", ["nfs3 without locks"], indirect=True)
def test_rows_that_another_machine_has_just_made_are_seen(house, kdpipe, pair: Pair) -> None:
    first, second = pair
    done(kdpipe(second, "run", "index"))
    done(kdpipe(first, "fill", "sample", "--shard", "1/2"))
    done(kdpipe(second, "plan", "sample", "--shards", "2"))  # it knows the names in the set from now on
    done(kdpipe(first, "fill", "sample", "--shard", "2/2"))
    worked = (first.disk / "store" / "worked.log").read_text()
    done(kdpipe(second, "run", "sample"))
    assert (second.disk / "store" / "worked.log").read_text() == worked and len(worked.split()) == 4


PUBLISH = """
import os, sys, time
from pathlib import Path
from cache.publication import publish
from cache.record import Key, Record
from cache.store import Store
root, old = Path(sys.argv[1]), time.time() - 8 * 86400
for n in range(int(sys.argv[2])):
    store, key = Store(root), Key("demo", 1, "e:f", {"a": n}, {}, {})
    temporary = store.new_directory()
    (temporary / "files" / "a").write_bytes(b"always the same")
    with store.publishing():
        record = publish(store, temporary, lambda made: Record(key=key, object=made.digest, node="demo"))
        store.set_ref("d", "s", "demo", key.digest)
    time.sleep(0.03)
    store.check_object(record.object, contents=True)
    if n + 1 < int(sys.argv[2]):  # nothing names it any more, for more than a week
        store.ref_path("d", "s", "demo").unlink(missing_ok=True)
        store.action_path(key.digest).unlink(missing_ok=True)
        there = store.object_path(record.object)
        for path in (*there.iterdir(), there):
            os.utime(path, (old, old))
"""

COLLECT = """
import sys
from pathlib import Path
from cache import gc
from cache.errors import StoreError
from cache.store import Store
while not Path(sys.argv[2]).exists():
    try:
        gc.collect(Store(Path(sys.argv[1])), keep=0, grace=gc.DAY)
    except StoreError:  # a ref of a moment ago: it says so, and removes nothing
        continue
"""


def test_what_one_machine_publishes_while_another_collects_stays(pair: Pair, tmp_path: Path) -> None:
    first, second = pair
    Store(first.disk / "store").prepare()
    collecting = second.start(sys.executable, "-c", COLLECT, second.disk / "store", tmp_path / "stop")
    first.python(PUBLISH, first.disk / "store", 15)
    (tmp_path / "stop").touch()
    done(collecting)
    store = Store(tmp_path / "disk" / "store")  # as the server has it
    (key,) = [key for _, key in store.refs()]
    record = store.record(key)
    assert record is not None
    store.check_object(record.object, contents=True)
    assert [finding for finding in Fsck(store, 1.0) if not finding.note] == []


HOLD = """
import sys, time
from pathlib import Path
from cache import locks
locks.BEAT = 0.2
lock = locks.acquire(Path(sys.argv[1]))
lock.describe("sample", {})
print("held", flush=True)
time.sleep(60)
"""

TAKE = """
import sys
from pathlib import Path
from cache import locks
locks.DEAD_AFTER = float(sys.argv[2])
print(locks.holder_of(Path(sys.argv[1])), locks.acquire(Path(sys.argv[1]), wait=False) is not None)
"""


def test_a_lock_of_another_machine_holds_as_long_as_its_heart_beats(pair: Pair) -> None:
    first, second = pair
    (first.disk / "locks").mkdir()
    holder = first.start(sys.executable, "-c", HOLD, first.disk / "locks" / "k")
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    time.sleep(1.5)
    assert "on first (since" in (told := second.python(TAKE, second.disk / "locks" / "k", 1.0)) and told.endswith("False\n")
    holder.kill()
    holder.communicate()
    time.sleep(1.2)
    assert second.python(TAKE, second.disk / "locks" / "k", 1.0) == "None True\n"


READ = """
import sys
from pathlib import Path
from cache.store import Store
store, seen = Store(Path(sys.argv[1])), set()
print("reading", flush=True)
while len(seen) < 6:
    seen.add(store.ref("d", "s", "n"))
    list(store.refs())
"""

WRITE = """
import sys, time
from pathlib import Path
from cache.store import Store
for n in range(400):
    Store(Path(sys.argv[1])).set_ref("d", "s", "n", f"{n:064x}")
"""


@pytest.mark.parametrize("pair", ["nfs3 without locks"], indirect=True)
def test_a_file_that_another_machine_replaces_while_it_is_read_is_read_again(pair: Pair) -> None:
    first, second = pair
    Store(first.disk / "store").set_ref("d", "s", "n", "0" * 64)
    reader = second.start(sys.executable, "-c", READ, second.disk / "store")
    assert reader.stdout is not None and reader.stdout.readline() == "reading\n"
    writer = first.start(sys.executable, "-c", WRITE, first.disk / "store")
    done(reader)
    writer.kill()
    writer.communicate()
