"""How many seconds the tests of each module take: measured by a whole run, kept in ``seconds.json``, used to run the long ones first and,
for ``make check``, only the quick ones.

    make test ARGS=--note-seconds                   # measures anew; or modules, named whole:
    make test ARGS="--note-seconds tests/cache"
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from pathlib import Path

import pytest

NOTED = Path(__file__).with_name("seconds.json")
PROJECT = NOTED.parents[1]
#: Seconds a module may take, starts of processes and shared fixtures included, to be run after every edit.
QUICK = 1.5


@functools.cache
def noted() -> dict[str, float]:
    """Module, relative to the project, -> seconds of one core."""
    found: dict[str, float] = json.loads(NOTED.read_text(encoding="utf-8"))
    return found


class Stopwatch:
    """Adds up how long the tests of each module took, and writes it down."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of every test that a worker ran: its fixtures, itself, what it leaves."""
        self._spent[report.nodeid.partition("::")[0]] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Modules that were not run keep their figures; those that are gone lose them. Nothing is written after an interrupt."""
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            kept = {module: spent for module, spent in noted().items() if (PROJECT / module).exists()}
            now = kept | {module: round(spent, 1) for module, spent in self._spent.items()}
            NOTED.write_text(json.dumps(dict(sorted(now.items())), indent=0) + "\n", encoding="utf-8")
