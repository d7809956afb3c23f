"""Containers with one host name on one store: each has its own process numbers, and none judges another by them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared.machines import Machine, why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason or "there are namespaces")

#: ``refused``: as on a disk without locks.
REFUSE = """
import fcntl, sys
if sys.argv[2] == "refused":
    def refuse(*arguments):
        raise OSError(37, "no locks available")
    fcntl.flock = refuse
"""

HOLD = (
    REFUSE
    + """
import time
from pathlib import Path
from cache.store import Store
store = Store(Path(sys.argv[1]))
half = store.new_directory()
with store.running("k" * 64, what="sample"):
    print(half.name, flush=True)
    time.sleep(60)
"""
)

LOOK = (
    REFUSE
    + """
from pathlib import Path
from cache.store import Store
store = Store(Path(sys.argv[1]))
store.prepare()
with store.running("k" * 64, wait=False) as scratch:
    print(store.holder("k" * 64), scratch is not None, [path.name for path in (store.root / "tmp").iterdir()])
"""
)


@pytest.fixture(params=["kernel", "refused"])
def held(request, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(the kind of locks, the temporary directory of a process that is at work in a container named box)."""
    process = Machine("box", tmp_path).start(sys.executable, "-c", HOLD, tmp_path / "store", request.param)
    assert process.stdout is not None
    try:
        yield request.param, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_what_one_is_at_is_not_taken_over_by_another_of_its_name_and_number(held: tuple[str, str], tmp_path: Path) -> None:
    kind, half = held
    assert half.startswith("box_")
    told = Machine("box", tmp_path).python(LOOK, tmp_path / "store", kind)
    assert "process 1 in another container" in told and f"False ['{half}']" in told
