"""Which trained network is meant: one of the graph's, or one that a pin or a key names; and what its system declares of it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from cache.errors import ConfigError, KdpipeError, nearest
from cache.record import Record
from cache.stage import Stage
from cache.store import Store
from pipeline.judge import FRESH, Judge
from pipeline.resolve import resolve
from pipeline.text import line_text


class Declared(Protocol):
    """What a system says of networks of some stages: how they are asked (:class:`models.prediction.Prediction`), or leave."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages whose networks these are."""

    @property
    def network(self) -> str:
        """The beginning of the node that is meant if nobody names one, ``"student.kd"``."""

    @property
    def streams(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """What the evaluation calls what networks of a modality see, if not as they do."""


How = TypeVar("How", bound=Declared)


@dataclass(frozen=True)
class Chosen(Generic[How]):
    """A finished network: its node, its record, what its system declares of it, and what a person has to know of it (or "").

    ``beside``: networks by node that were found with it, where a result named it.
    """

    name: str
    record: Record
    how: How
    note: str = ""
    beside: Mapping[str, Record] = field(default_factory=dict)


def declared(system: str, module: str, variable: str, refusal: str) -> Any:
    """``variable`` of ``systems/<system>/<module>.py``. Raises ConfigError, with ``refusal``, for a system that has none."""
    name = f"systems.{system}.{module}"
    if not system.isidentifier() or importlib.util.find_spec(name) is None:
        raise ConfigError(refusal, hint=f"there is no systems/{system}/{module}.py")
    return getattr(importlib.import_module(name), variable)


def of_graph(judge: Judge, known: Sequence[How], text: str, then: str) -> Chosen[How]:
    """The network of the graph that ``text`` means ("": the system's own choice), as it is now or was made last.

    ``then`` says what becomes of a last result: it ``"answers"``. Raises ConfigError for a name that means none or several, KdpipeError
    for one that was never made.
    """
    here = of_stages(judge, known)
    name = pick(here, text, judge.graph.config.seeds[0], [one.network for one in known])
    state = judge.state(name)
    record = state.record or judge.last(name)
    if record is None:
        raise KdpipeError(f"{name} was never made", hint=f"kdpipe run {name}")
    note = "" if state.status == FRESH else f"{name} is not up to date ({state.reason}): its last result {then}"
    return Chosen(name, record, here[name], note)


def of_stages(judge: Judge, known: Sequence[How]) -> dict[str, How]:
    """The nodes of the graph that are meant by what is ``known``."""
    return {name: one for name, node in judge.graph.nodes.items() for one in known if node.stage in one.stages}


def of_result(judge: Judge, known: Sequence[How], text: str, network: str = "") -> Chosen[How]:
    """The network that a pin, a key or a node names, or that the result was made from (an evaluation, a report).

    Raises KdpipeError as :func:`pipeline.resolve.resolve`, and where no network, or more than one, is meant.
    """
    records = [one.record for one in resolve(judge, text) if one.record is not None]
    found: dict[str, tuple[Record, How]] = {}
    for record in above(judge.store, records):
        for one in known:
            if record.key.entry in {stage.entry for stage in one.stages}:
                found.setdefault(record.node, (record, one))
    if not found:
        others = sorted({record.system for record in records} - {"", judge.system})
        hint = f"--system {others[0]}" if others else "kdpipe ls shows what there is"
        raise KdpipeError(f"'{line_text(text)}' is no trained network of {judge.system}, and was made from none", hint=hint)
    seeds = sorted(int(record.key.params.get("seed", 0)) for record, _ in found.values())
    name = next(iter(found)) if len(found) == 1 else pick(found, network, seeds[0], [one.network for _, one in found.values()])
    return Chosen(name, *found[name], beside={own: record for own, (record, _) in found.items()})


def called(how: Declared, record: Record, alias: str) -> tuple[str, ...]:
    """What the evaluation calls what a network sees as ``alias``, and what that was made from; () if it is called the same."""
    return how.streams.get(str(record.key.params.get("modality", "")), {}).get(alias, ())


def above(store: Store, records: Iterable[Record]) -> Iterator[Record]:
    """Results, and what they were made from, as far as the store still knows; of networks, not what these were made from."""
    queue, seen = list(records), set[str]()
    while queue:
        record = queue.pop(0)
        if record.digest in seen:
            continue
        seen.add(record.digest)
        yield record
        if record.key.stage in ("evaluate", "report", "timing"):
            queue.extend(parent for key in record.parents.values() if (parent := store.record(key)) is not None)


def pick(names: Iterable[str], wanted: str, seed: int, usual: Iterable[str]) -> str:
    """The one of the nodes ``names`` that ``wanted`` means: itself, with the seed, or the only one of that seed that begins so.

    ``usual`` are the beginnings that are meant where nobody says more. Raises ConfigError if there is not one.
    """
    known, usual = list(names), tuple(dict.fromkeys(usual))
    beginnings = (wanted,) if wanted else usual
    exact = [name for one in beginnings for name in (one, f"{one}.s{seed}") if name in known]
    within = [name for name in known if name.endswith(f".s{seed}") and name.startswith(tuple(f"{one}." for one in beginnings))]
    meant = [name for name in within if name in {f"{one}.s{seed}" for one in usual}]
    begun = [name for name in within if name.startswith(tuple(f"{one}." for one in usual))]
    for found in (exact[:1], meant[:1], begun, within):
        if len(found) == 1:
            return found[0]
    if within:
        raise ConfigError(f"'{line_text(wanted)}' means {len(within)} networks: {', '.join(within)}", hint="name one: --network NODE")
    what = f"'{line_text(wanted)}' is no network that can be asked" if wanted else "no network can be asked"
    raise ConfigError(what, hint=nearest(wanted, {name.rpartition(".s")[0] for name in known}))
