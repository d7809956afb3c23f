"""What somebody compares: the results that a side of the comparison means, and the evaluations that speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cache.errors import ConfigError, KdpipeError
from cache.record import Record
from cache.store import Store
from models.evaluation.files import read_evaluation
from models.evaluation.record import Evaluation
from pipeline.catalog import Artifact, Catalog
from pipeline.judge import FRESH, Judge
from pipeline.resolve import resolve

#: The stages whose results hold scores, or gather those that do.
EVALUATE, REPORT = "evaluate", "report"


@dataclass(frozen=True)
class Scored:
    """An evaluation of one replicate. ``network``: the only one of its networks that is meant, "" for all."""

    record: Record
    evaluation: Evaluation
    network: str = ""


@dataclass(frozen=True)
class Side:
    """One side. ``results`` are what was named, ``scored`` the evaluations of them; ``settings`` are those of this side alone."""

    text: str
    settings: tuple[str, ...]
    results: tuple[Record, ...]
    scored: tuple[Scored, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """What it is called."""
        return " ".join([self.text, *(["with"] if self.settings else []), ", ".join(self.settings)]).strip()


def side(judge: Judge, text: str, settings: Sequence[str] = (), *, strict: bool = False) -> Side:
    """The side that ``text`` means (a node, a stage, a pin, a key) under the judge's settings, of which ``settings`` are its own.

    A node that is not fresh stands for its last result, and a note says so. With ``strict`` it must be fresh: where settings were typed,
    its last result may be one of others. Raises KdpipeError if there is no such result, or if what is named is of several stages.
    """
    records, notes, nodes = [], [], _nodes(judge, text)
    for found in resolve(judge, text):
        state = judge.state(found.name) if found.name in nodes else None
        if found.record is None or (strict and state is not None and state.status != FRESH):
            told = f" with {', '.join(settings)}" if settings else ""
            typed = "".join(f" --set {setting}" for setting in settings)
            raise KdpipeError(f"{found.name}{told} was never made", hint=f"kdpipe run {text if state is not None else found.name}{typed}")
        if state is not None and state.status != FRESH:
            notes.append(f"{found.name} is not fresh ({state.reason}): its last result is compared")
        records.append(found.record)
    stages = sorted({record.key.stage for record in records})
    if len(stages) > 1:
        raise ConfigError(f"'{text}' is results of several stages: {', '.join(stages)}", hint="name one of them")
    return Side(text, tuple(settings), tuple(records), tuple(_scored(judge.store, records)), tuple(notes))


def _nodes(judge: Judge, text: str) -> list[str]:
    """The nodes that it names; a pin and a key name none."""
    try:
        return judge.graph.select(text)
    except ConfigError:
        return []


def _scored(store: Store, records: Sequence[Record]) -> list[Scored]:
    stage = records[0].key.stage
    if stage == REPORT:
        records = [_read(store, key) for one in records for name, key in one.parents.items() if name.split(".")[0] == EVALUATE]
    if stage in (REPORT, EVALUATE):
        return [Scored(record, read_evaluation(store.files(record))) for record in records]
    catalog = Catalog.read(store)
    return [scored for record in records for scored in _of_network(store, catalog, record)]


def _read(store: Store, key: str) -> Record:
    record = store.read_record(key)
    if record is None:
        raise KdpipeError(f"an evaluation behind the report is gone ({key[:12]})", hint="name results that are in the store: kdpipe ls")
    return record


def inputs_of(evaluation: Record, network: str) -> dict[str, str]:
    """What an evaluation read of a network: under its name, or under its name with the stage before it (``pretrain.full``)."""
    return {alias: read for alias, read in evaluation.key.inputs.items() if network in (alias, alias.partition(".")[2])}


def _of_network(store: Store, catalog: Catalog, record: Record) -> list[Scored]:
    """The evaluations that read a trained network, one for each fold; none if there are none.

    Of several of one fold the current one is meant. Raises KdpipeError if that does not decide it.
    """
    found: dict[tuple[int, str], list[tuple[Artifact, Scored]]] = {}
    for artifact in (catalog.artifacts[key] for key in catalog.artifacts[record.digest].children):
        made = artifact.record
        if made is None or artifact.gone or made.key.stage != EVALUATE:
            continue
        evaluation = read_evaluation(store.files(made))
        for row in evaluation.networks:
            if record.object in inputs_of(made, row.name).values():
                place = (evaluation.seed, evaluation.fold)
                found.setdefault(place, []).append((artifact, Scored(made, evaluation, row.name)))
    return [_current(record, many) for many in found.values()]


def _current(record: Record, many: Sequence[tuple[Artifact, Scored]]) -> Scored:
    current = [one for one in many if one[0].uses] if len(many) > 1 else many
    if len(current) != 1:
        keys = ", ".join(artifact.key[:12] for artifact, _ in many)
        told = f"{record.node} ({record.digest[:12]}) was evaluated {len(many)} times: {keys}"
        raise KdpipeError(told, hint="compare two of these keys")
    return current[0][1]
