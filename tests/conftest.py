"""How a run of all tests is shared among worker processes (pytest-xdist), and what they share.

Tests that share a costly fixture stay together, so that it is made once; all others go to whichever worker is free, the long ones first.
"""

from __future__ import annotations

import compileall
import fcntl
import functools
import gc
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import pytest

from cache.syntax import PACKAGES
from models.heap import kept_heap
from tests.command import PROJECT, variables
from tests.memory import GivenBack
from tests.seconds import QUICK, Stopwatch, noted
from tests.warm import SELDOM

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has one core: before a library of linear algebra is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads of a test that wants some wait without taking the cores of others

#: A fixture that is made once for several tests.
SHARED = re.compile(r"^@pytest\.fixture\(scope=.*\)\ndef (\w+)", re.M)
#: Where files cost no disk: a store waits for the disk at every step, and the tests write thousands of stores.
MEMORY = Path("/dev/shm")
#: Bytes that must be free there, and in the machine, so that a run of all tests lies there well.
ROOM = 6 << 30
#: Seconds of tests that are enough for the other workers meanwhile.
MAKING = 180.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """What ``make check`` asks for, and how its choice is measured."""
    parser.addoption("--quick", action="store_true", help=f"only modules that take no more than {QUICK} seconds (tests/seconds.json)")
    parser.addoption("--note-seconds", action="store_true", help="write tests/seconds.json anew, of a whole run")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether a module is too slow for ``--quick``. One that was never measured is run."""
    if not config.option.quick or not collection_path.is_relative_to(PROJECT):
        return None
    return True if noted().get(collection_path.relative_to(PROJECT).as_posix(), 0.0) > QUICK else None


@pytest.hookimpl(tryfirst=True)  # before pytest makes a directory of its own
def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of the tests in memory, unless there is little of it or the user says where; compile what the tests start."""
    heap = ExitStack()
    heap.enter_context(kept_heap())  # memory for the next test, as a training keeps it for its next step
    config.add_cleanup(heap.close)
    config.pluginmanager.register(GivenBack())
    if config.option.note_seconds and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch())
    if not hasattr(config, "workerinput"):
        for package in PACKAGES:  # each of a thousand commands would do so, where PYTHONDONTWRITEBYTECODE is set
            compileall.compile_dir(PROJECT / package, quiet=2)
    chosen = config.option.basetemp or os.environ.get("TMPDIR") or os.environ.get("PYTEST_DEBUG_TEMPROOT")
    if chosen or hasattr(config, "workerinput") or not _is_roomy():
        return
    place = tempfile.mkdtemp(prefix="kdpipe-tests-", dir=MEMORY)
    Path(place).chmod(0o711)  # some tests are other users
    config.option.basetemp = f"{place}/pytest"
    os.environ["TMPDIR"] = tempfile.tempdir = place  # of workers and commands too
    Finalize(None, shutil.rmtree, (place, True), exitpriority=-200)  # after multiprocessing's own, which has files there


def _is_roomy() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return min(shutil.disk_usage(MEMORY).free, int(told["MemAvailable"].split()[0]) << 10) > ROOM


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Have each worker load a share of the modules first: what pytest makes of the asserts, half of the time, is kept for all."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    if "PYTEST_XDIST_WORKER" in os.environ:
        place, number = (int(os.environ[name].strip("gw")) for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"))
        asked = {session.config.invocation_params.dir / word.partition("::")[0] for word in session.config.args}
        modules = [path for path in sorted(PROJECT.glob("tests/**/test_*.py")) if not asked.isdisjoint((path, *path.parents))]
        for path in modules[place::number]:
            if not pytest_ignore_collect(path, session.config):
                with suppress(Exception, pytest.skip.Exception):  # collecting will tell
                    importlib.import_module(".".join(path.relative_to(PROJECT).with_suffix("").parts))
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let modules that take long come first; of those that were never measured, the ones that say so.

    While one worker has the store of :func:`finished` made, the others do what does not wait for it.
    """
    seconds = dict(noted())
    for item in items:
        if item.get_closest_marker("long"):
            seconds.setdefault(_module(item), 1e9)
    items.sort(key=lambda item: -seconds.get(_module(item), 0.0))
    waiting = dict.fromkeys(item for item in items if "finished" in getattr(item, "fixturenames", ()))
    maker = next(iter(waiting), None)
    beside: dict[str, float] = {}
    for item in items:
        if item not in waiting and sum(beside.values()) < MAKING:
            beside[_module(item)] = seconds.get(_module(item), 0.0)
    items.sort(key=lambda item: 0 if item is maker else 1 if item not in waiting and _module(item) in beside else 2)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector come seldom, and pass by what stays to the end: the modules, and ten thousand tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    session.config.add_cleanup(gc.unfreeze)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together what shares a fixture. (The marks by which xdist would do so are lost on it since pytest 9.2.)"""
    from tests.sharing import Together

    config.option.loadscopereorder = False  # the long ones first, not the many
    return Together(config, log, _sharing)


@functools.cache
def _sharing(module: str) -> str:
    """What the tests of a module are kept together with: one another, or all of their folder that use a fixture of its conftest."""
    text = (PROJECT / module).read_text(encoding="utf-8")
    if SHARED.search(text):
        return module
    folder = (PROJECT / module).parent
    beside = folder / "conftest.py"
    names = SHARED.findall(beside.read_text(encoding="utf-8")) if beside.exists() else []
    return folder.name if any(re.search(rf"\b{name}\b", text) for name in names) else ""


@pytest.fixture(scope="session")
def compiled_passes() -> None:
    """Skip a test of the passes that are written in C, where they cannot be compiled."""
    from models.training import residual_passes

    if isinstance(why := residual_passes.library(), str):
        pytest.skip(why)


@pytest.fixture(scope="session")
def compiled_winograd() -> None:
    """Skip a test of the convolutions that are written in C, where they cannot be compiled."""
    from models.inference.runtimes import winograd

    if isinstance(why := winograd.library(), str):
        pytest.skip(why)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the whole of ``tiny`` was run by an ordinary process, once for all workers. Copy it before you change it."""
    return _once(tmp_path_factory, "finished", "report", "--dataset", "tiny")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the clips of ``tinyactions`` were drawn, once for all workers. Copy it before you change it."""
    return _once(tmp_path_factory, "drawn", "world", "--system", "gkd", "--dataset", "tinyactions")


def _once(factory: pytest.TempPathFactory, name: str, node: str, *about: str) -> Path:
    """A store in which an ordinary process ran a node."""
    place = factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / name
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            making = place.with_suffix(".new")
            command = [sys.executable, "-m", "pipeline", "run", node, *about]
            done = subprocess.run(command, cwd=PROJECT, env=variables(making), capture_output=True, text=True, timeout=600)
            assert done.returncode == 0 and f"{node}: done" in done.stderr, done.stdout + done.stderr
            making.rename(place)
    return place
