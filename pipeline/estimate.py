"""How long nodes will take, from how long they took: never more than a guess, and shown as one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from cache.errors import StoreError
from cache.members import Change
from cache.record import Record
from cache.timings import Timing
from pipeline.judge import Judge, State


@dataclass(frozen=True)
class Estimate:
    """Seconds, or None if nothing is known; ``basis`` says from what. ``far``: not from this node on this dataset."""

    seconds: float | None
    basis: str = ""
    far: bool = False


@dataclass(frozen=True)
class Total:
    """One node after the other (``seconds``), and the longest chain of nodes that read one another (``path``)."""

    seconds: float
    path: float
    unknown: int


class Estimates:
    """Estimates for the nodes of one judge; the log of timings is read once.

    The newest timing of the same node, dataset and system counts; else of the same node elsewhere; else the median of its stage.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.exact: dict[str, list[Timing]] = {}
        self.elsewhere: dict[str, list[Timing]] = {}
        self.stages: dict[str, list[Timing]] = {}
        for timing in judge.store.timings:
            here = (timing.dataset, timing.system) == (judge.dataset, judge.system)
            (self.exact if here else self.elsewhere).setdefault(timing.node, []).append(timing)
            self.stages.setdefault(timing.node.split(".")[0], []).append(timing)

    def of(self, state: State) -> Estimate:
        """How long a node that is not fresh will take if it runs."""
        name = state.node.name
        if name in self.exact:
            return Estimate(_scaled(self.exact[name], self._items(state)), "its last run")
        if name in self.elsewhere:
            return Estimate(_scaled(self.elsewhere[name], self._items(state)), "its last run for another dataset or system", far=True)
        stage = self.stages.get(state.node.stage.name)
        if stage:
            return Estimate(median(_scaled([timing], self._items(state)) for timing in stage), "the median of its stage", far=True)
        last = self.judge.usable(name)  # stores of format 1 have no log
        if last is None or last.key.entry != state.node.stage.entry:  # features that were imported tell nothing of computing them
            return Estimate(None)
        return Estimate(last.seconds, "its last run")

    def _items(self, state: State) -> int | None:
        """How many items of an item stage have to be computed; None if that is not known (a stage without items, or one that waits)."""
        last = self.judge.usable(state.node.name)
        if not state.node.stage.items or state.key is None:
            return None
        if last is None or last.items != self.judge.item_key(state.node, state.key):
            return max(map(self._count, self.judge.inputs(state.node).values()), default=0) or None
        counts = [self._changed(state, last, alias) for alias, digest in state.key.inputs.items() if last.key.inputs.get(alias) != digest]
        return max((count for count in counts if count is not None), default=None)

    def _count(self, record: Record) -> int:
        """How many items an input speaks of: those of its ledger, or else its members."""
        return sum(record.ledger.values()) or len(self.judge.store.members(record))

    def _changed(self, state: State, last: Record, alias: str) -> int | None:
        """How many members of an input changed or came since ``last`` was made from it."""
        store = self.judge.store
        try:
            before = store.read_record(last.parents.get(alias, "-"))
        except StoreError:
            return None
        if before is None:
            return None
        old, new = (store.members(record).contents() for record in (before, self.judge.inputs(state.node)[alias]))
        if not old.rows or not new.rows:
            return None
        change = Change.between(old, new)
        return len(change.changed) + len(change.added)


def total(states: Iterable[State], estimates: dict[str, Estimate]) -> Total:
    """Add up the estimates of nodes that are given in running order."""
    ends: dict[str, float] = {}
    for state in states:
        begin = max((ends.get(read, 0.0) for read in state.node.reads.values()), default=0.0)
        ends[state.node.name] = begin + (estimates[state.node.name].seconds or 0.0)
    known = [estimate.seconds for estimate in estimates.values() if estimate.seconds is not None]
    return Total(sum(known), max(ends.values(), default=0.0), len(estimates) - len(known))


def _scaled(timings: list[Timing], items: int | None) -> float:
    """The newest timing; of a stage with items, the time of one of them by how many have to be computed (None: all of them).

    The time of one is taken from the run that computed most: a run over few is all start and end.
    """
    newest = timings[-1]
    most = max(reversed(timings), key=lambda timing: timing.computed)
    if not newest.items or not most.computed:
        return newest.seconds
    return most.seconds / most.computed * (newest.items if items is None else items)
