"""Kill a transfer at each of its steps in turn: ``python -m tests.cache.kill_transfers DIRECTORY push|pull kill:{}``, {} being a step.

After every death, what is there must be sound, and the same transfer again must complete it. Prints how often it died.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from cache import faults
from cache.directory import Directory
from cache.store import Store
from cache.transfer import open_remote
from tests.cache.test_transfer import check_sound, fetch, fill, push


def killed(fault: str, work: Callable[[], object]) -> bool:
    """Do ``work`` in a child that dies of ``fault``; False if it finished before that."""
    child = os.fork()
    if child == 0:
        try:
            faults._active = faults.Fault(fault)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def kill_at_every_step(place: Path, direction: str, kind: str) -> int:
    """How many of the transfers to new stores in ``place`` died."""
    store, world, sample = fill(place / "from")

    def work(root: Path) -> object:
        if direction == "push":
            return push(store, root, sample.digest)
        mine = Store(root)
        for record in (world, sample):
            fetch(Directory(store.root), mine, record.digest)
            mine.set_ref("d", "s", record.node, record.digest)
        return mine

    deaths, k, died = 0, 0, True
    while died:
        k += 1
        root = place / f"to{k}"
        died = killed(kind.format(k), lambda root=root: work(root))
        deaths += died
        if root.exists():
            check_sound(root)
        if died and direction == "push":
            open_remote(str(root), create=True)
        work(root)
        check_sound(root)
        assert Store(root).record(sample.digest) == sample and Store(root).ref("d", "s", "sample") == sample.digest
        assert not [path for path in (root / "tmp").rglob("*") if path.is_file()]
    return deaths


if __name__ == "__main__":
    sys.stdout.write(f"{kill_at_every_step(Path(sys.argv[1]), *sys.argv[2:])}\n")
