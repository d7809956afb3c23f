"""Where nodes stand, as ``status`` and the picture show it: judged, running or failed, and what was not computed as wanted above them."""

from __future__ import annotations

from dataclasses import dataclass

from cache.errors import StoreError
from cache.filling import fillers
from cache.record import Record
from pipeline.judge import DAMAGED, FRESH, WAITS, Judge, State, damage

RUNNING = "running"
FILLING = "filling"
FAILED = "failed"


@dataclass(frozen=True)
class Standing:
    """Where one node stands. ``record`` is its result, or its last one.

    accepted: why its result was accepted without being computed. imported: what its features were imported from. uses_accepted,
    uses_stale: nodes above it, in the graph's order, whose results were accepted, or were made from old results of others
    (``stale_inputs``).
    """

    state: State
    status: str
    reason: str
    record: Record | None
    accepted: str = ""
    imported: str = ""
    stale_inputs: tuple[str, ...] = ()
    uses_accepted: tuple[str, ...] = ()
    uses_stale: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the node."""
        return self.state.node.name

    @property
    def remarks(self) -> list[str]:
        """What people should know of the result beside its status."""
        said = [self.imported] if self.imported else []
        said += [f"accepted: because {self.accepted}"] if self.accepted else []
        if self.uses_accepted:
            said.append(f"uses an accepted result of {', '.join(self.uses_accepted)}")
        if self.stale_inputs:
            said.append(f"made from old results of {', '.join(self.stale_inputs)} (--allow-stale)")
        if self.uses_stale:
            said.append(f"uses a result of {', '.join(self.uses_stale)} that was made from old ones")
        return said


def standings(judge: Judge, names: list[str]) -> list[Standing]:
    """Where the named nodes stand. A damaged record makes a row, not an error."""
    above = [node.name for node in judge.graph.closure(names)]
    records = {state.node.name: state.record or judge.usable(state.node.name) for state in judge.states(above)}
    accepted = {name for name, record in records.items() if record is not None and record.accepted}
    stale = {name for name, record in records.items() if record is not None and record.stale_inputs}
    return [_standing(judge, name, records[name], accepted, stale) for name in names]


def _standing(judge: Judge, name: str, record: Record | None, accepted: set[str], stale: set[str]) -> Standing:
    state = judge.state(name)
    status, reason = _status(judge, state)
    above = [node.name for node in judge.graph.closure([name]) if node.name != name]
    return Standing(
        state,
        status,
        reason,
        record,
        accepted=record.accepted.get("because", "") if record is not None else "",
        imported=str(getattr(state.node.params, "provenance", "")),
        stale_inputs=record.stale_inputs if record is not None else (),
        uses_accepted=tuple(n for n in above if n in accepted),
        uses_stale=tuple(n for n in above if n in stale),
    )


def _status(judge: Judge, state: State) -> tuple[str, str]:
    name, store = state.node.name, judge.store
    if state.status == FRESH:
        return FRESH, state.reason
    if state.status == DAMAGED:
        return DAMAGED, f"{state.reason}; kdpipe fsck"
    if state.status == WAITS or state.key is None:
        return _unreadable(judge, state) or (state.status, state.reason)
    holder = store.holder(state.key.digest)
    if holder is not None:
        return RUNNING, str(holder) if holder.owner.pid else "another process"  # it has not said yet who it is
    others = fillers(store, state.key.digest)
    if others:
        shown = ", ".join(f"{one.what.rpartition(' ')[2]} by {one}" for one in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        return FILLING, f"shard{'s' if len(others) > 1 else ''} {shown}{more}"
    failure = store.failure(judge.dataset, judge.system, name)
    if failure is not None and failure["key"] == state.key.digest:
        return FAILED, str(failure["error"]).splitlines()[0].removesuffix(":")
    return state.status, state.reason


def _unreadable(judge: Judge, state: State) -> tuple[str, str] | None:
    """A node that cannot be judged yet may have a last record that is damaged: better known now than later."""
    try:
        judge.last(state.node.name)
    except StoreError as error:
        return DAMAGED, f"{damage(error)}; kdpipe fsck"
    return None
