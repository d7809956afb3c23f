"""What a network sees: the results that are its inputs, and what those were made from, down to the one that a dotted name means."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cache.errors import ConfigError, KdpipeError, StoreError, nearest
from cache.record import Record
from pipeline.judge import Judge
from pipeline.networks import called
from pipeline.predict.network import Chosen
from pipeline.text import line_text

PARTNER = "partner"


def seen_by(judge: Judge, chosen: Chosen, name: str) -> Record | None:
    """What a network saw as ``name`` ("": the network itself); None for one that it may lack, and does.

    Of a network that was taken from a file, what the evaluation shows it. Raises KdpipeError without any.
    """
    if not name:
        return chosen.record
    alias, *rest = name.split(".")
    steps = _called(chosen, chosen.record, alias)
    if alias == PARTNER:
        record = partner_of(judge, chosen)
        if record is not None and rest and not record.parents:  # it was taken from a file, too
            return shown(judge, _called(chosen, record, rest[0]))
    elif alias in chosen.record.parents:
        record = parent_of(judge, chosen.record, alias)
    elif name in chosen.how.maybe and chosen.record.parents:
        return None
    else:
        record = shown(judge, steps)
    for place, step in enumerate(rest):
        if record is None or (step not in record.parents and place == len(rest) - 1 and name in chosen.how.maybe):
            return None
        record = parent_of(judge, record, step)
    if record is None and name not in chosen.how.maybe:
        unread = f"the evaluation of these settings reads no {steps[0]}: kdpipe params graph"
        hint = "kdpipe run evaluate" if _read(judge, steps[0]) else unread
        raise KdpipeError(f"{chosen.name} was not made from {steps[0]}, and there is none to show how it is made", hint=hint)
    return record


def _called(chosen: Chosen, network: Record, alias: str) -> tuple[str, ...]:
    return called(chosen.how, network, alias) or (chosen.how.shown.get(alias, alias),)


def shown(judge: Judge, steps: Sequence[str]) -> Record | None:
    """What the evaluation reads as the first of ``steps``, or what that was made from as the next; None if it was never made."""
    name = _read(judge, steps[0])
    record = judge.last(name) if name else None
    for step in steps[1:]:
        record = parent_of(judge, record, step) if record is not None else None
    return record


def _read(judge: Judge, name: str) -> str:
    """The node that the evaluation reads as ``name``, or ""."""
    reading = (node.reads[name] for node in judge.graph.nodes.values() if node.stage.name == "evaluate" and name in node.reads)
    return next(reading, "")


def partner_of(judge: Judge, chosen: Chosen) -> Record | None:
    """The network that another may be asked with; None if there is none, or it was never made."""
    base, _, seed = chosen.name.rpartition(".s")
    for pattern in chosen.how.partners:
        name = f"{pattern.format(base)}.s{seed}"
        record = chosen.beside.get(name) or (judge.last(name) if name in judge.graph.nodes else None)
        if record is not None and name != chosen.name:
            return record
    return None


def modality_of(chosen: Chosen, wanted: str, there: Collection[str]) -> str:
    """What a network looks at: what is ``wanted``, or the first of which all inputs are ``there``; "" where there is no choice.

    Raises ConfigError for what it cannot look at.
    """
    known = chosen.how.modalities
    can = [name for name, inputs in known.items() if set(inputs) <= set(there)]
    if wanted and not known:
        raise ConfigError(f"{chosen.name} sees what it was made for", hint="leave --modality out; --network names another network")
    if wanted and wanted not in known:
        raise ConfigError(f"{chosen.name} knows no modality '{line_text(wanted)}'", hint=nearest(wanted, known))
    if wanted and wanted not in can:
        raise ConfigError(f"{chosen.name} cannot look at {wanted}: {_lacking(chosen, wanted, there)}", hint=f"it can: {', '.join(can)}")
    return wanted or next(iter(can), "")


def _lacking(chosen: Chosen, wanted: str, there: Collection[str]) -> str:
    lacking = [name for name in chosen.how.modalities[wanted] if name not in there]
    if any(name.startswith(PARTNER) for name in lacking):
        told = " or ".join(pattern.format(chosen.name.rpartition(".s")[0]) for pattern in chosen.how.partners)
        return f"there is no {told} to be asked with it"
    return f"it was made without {', '.join(name.rpartition('.')[2] for name in lacking)}"


def parent_of(judge: Judge, record: Record, alias: str) -> Record:
    """What a result read as ``alias``. Raises StoreError if the store does not have it any more."""
    parent = judge.store.record(record.parents[alias]) if alias in record.parents else None
    if parent is None:
        raise StoreError(f"what {record.node} was made from ({alias}) is not in the store", hint=f"kdpipe run {record.node}")
    return parent
