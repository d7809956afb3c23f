"""How the tests of a run are shared among its workers: one by one, or in groups that stay together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdist.scheduler import LoadScopeScheduling


class Together(LoadScopeScheduling):
    """Gives whichever worker is free the next test, or the next of the groups that ``group`` names by a test's module (``""``: none).

    Where a worker dies, the test that it ran has failed, and its other tests go to other workers: pytest-xdist 3.8.0 itself gives that
    test to one worker after another, until none may be started any more, and then leaves out what remains.
    """

    def __init__(self, config: Any, log: Any, group: Callable[[str], str]) -> None:
        super().__init__(config, log)
        self._group = group

    def _split_scope(self, nodeid: str) -> str:
        return self._group(nodeid.partition("::")[0]) or nodeid

    def remove_node(self, node: Any) -> str | None:
        """Take back what a worker was to do; the test that it ran, if it died."""
        given = self.assigned_work[node]
        ran = next((test for unit in given.values() for test, is_done in unit.items() if not is_done), None)
        if ran is not None:
            given[self._split_scope(ran)][ran] = True
        self.assigned_work[node] = {scope: unit for scope, unit in given.items() if not all(unit.values())}
        super().remove_node(node)
        return ran

    def schedule(self) -> None:
        """Hand out tests, also to a worker that comes in place of another. A worker begins a test when it knows the next one."""
        is_new = self.collection is None
        super().schedule()
        if not is_new:
            for node in self.nodes:
                self._reschedule(node)
