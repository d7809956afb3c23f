"""How a network's inputs were made of the dataset: the stages between the index and the network, as their records say."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache.errors import DataError, KdpipeError
from cache.record import Record
from cache.stage import Stage
from models.prediction import Instead
from pipeline import imports, paths
from pipeline.judge import Judge
from pipeline.predict import seen
from pipeline.predict.network import Chosen

INDEX, WORLD = "index", "world"
SAMPLE = "stages.sample.run:run"


@dataclass(frozen=True)
class Step:
    """What is run on the files: a stage's function, its parameters, the files that these name, and where its inputs come from.

    ``reads``: name of an input -> the key of the step before, or ``"index"``. ``given``: inputs that are there already. ``keeps``: it has
    items. ``optional``: a file of which it makes nothing is not lost.
    """

    node: str
    entry: str
    params: Any
    reads: Mapping[str, str]
    files: Mapping[str, Path] = field(default_factory=dict)
    given: Mapping[str, Path] = field(default_factory=dict)
    keeps: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Recipe:
    """Steps by key, in running order; input of the network -> the step that makes it; and the inputs that the store keeps.

    ``params``: those that the predictor asked for. ``modality``: what the network looks at, "" if there is no choice.
    """

    steps: Mapping[str, Step]
    made: Mapping[str, str]
    kept: Mapping[str, Path]
    params: Mapping[str, Any] = field(default_factory=dict)
    modality: str = ""

    @property
    def hears(self) -> bool:
        """Whether a file needs no picture."""
        return {step.params.policy for step in self.steps.values() if step.entry == SAMPLE} == {"audio"}


def recipe_of(judge: Judge, chosen: Chosen, modality: str = "") -> Recipe:
    """How the inputs of a network are made of files: with the settings that its own inputs were made with, by the code as it is now.

    ``modality``: one of its prediction's; "" is the first that the network has all inputs of. Raises ConfigError for one that it has not;
    KdpipeError where what inputs were made from is gone, or they were imported; DataError for a file (weights, say) that is not at hand.
    """
    steps: dict[str, Step] = {}
    made = {}
    wanted = chosen.how
    inputs = {alias: record for alias in wanted.made if (record := seen.seen_by(judge, chosen, alias)) is not None}
    modality = seen.modality_of(chosen, modality, inputs)
    for alias in wanted.modalities[modality] if modality else inputs:
        if alias in wanted.instead:
            made[alias] = _add_instead(judge, chosen, inputs[alias], wanted.instead[alias], steps)
        else:
            made[alias] = _add(judge, chosen, inputs[alias], steps)
    kept = {}
    for alias in wanted.kept:
        record = None if alias == seen.PARTNER and not any(name.startswith(alias) for name in made) else seen.seen_by(judge, chosen, alias)
        if record is not None:
            kept[alias] = _whole(judge, record)
    known = {alias: record for alias in wanted.params if (record := seen.seen_by(judge, chosen, alias)) is not None}
    return Recipe(steps, made, kept, {alias: params_of(record, stage_of(record)) for alias, record in known.items()}, modality)


def _add(judge: Judge, chosen: Chosen, record: Record, steps: dict[str, Step]) -> str:
    """Add the stage that made a result, after those that made what it read; the key of its step."""
    if record.key.entry == imports.ENTRY:
        raise KdpipeError(f"{chosen.name} learnt from {record.node}, which was imported: what made it is not known here")
    if record.digest not in steps:
        parents = {alias: seen.parent_of(judge, record, alias) for alias in record.parents if alias != WORLD}
        given = {alias: _whole(judge, read) for alias, read in parents.items() if _is_lasting(read)}
        made = {alias: read for alias, read in parents.items() if alias not in given}
        reads = {alias: INDEX if read.key.stage == INDEX else _add(judge, chosen, read, steps) for alias, read in made.items()}
        stage, files = stage_of(record), files_of(judge, record)
        params = params_of(record, stage)
        steps[record.digest] = Step(record.node, stage.entry, params, reads, files, given, keeps=bool(stage.items))
    return record.digest


def _is_lasting(record: Record) -> bool:
    return record.key.entry != imports.ENTRY and stage_of(record).lasting


def _whole(judge: Judge, record: Record) -> Path:
    judge.store.check_object(record.object)
    return judge.store.files(record)


def _add_instead(judge: Judge, chosen: Chosen, record: Record, how: Instead, steps: dict[str, Step]) -> str:
    """Add what makes an input that the dataset brought with it."""
    if lacking := [alias for alias in how.given if alias not in record.parents]:
        raise KdpipeError(
            f"{chosen.name} learnt from published features ({record.node}), and what described those videos is not known here",
            hint=f"videos can be described as those of a drawn world are, which {record.node} was not made from ({', '.join(lacking)})",
        )
    sample = stage_of_entry(SAMPLE)
    for alias, options, optional in (("frames", how.frames, False), ("sound", how.sound, True)):
        steps[alias] = Step("sample", sample.entry, sample.params(**options), {INDEX: INDEX}, keeps=True, optional=optional)
    given = {alias: judge.store.files(seen.parent_of(judge, record, alias)) for alias in how.given}
    params = params_of(record, stage_of(record))
    steps[record.digest] = Step(record.node, how.entry, params, {INDEX: INDEX, "frames": "frames", "sound": "sound"}, given=given)
    return record.digest


def stage_of(record: Record) -> Stage:
    """The declaration of the stage that made a result. Raises KdpipeError if there is none any more."""
    try:
        return stage_of_entry(record.key.entry)
    except (ImportError, KeyError) as error:
        what = f"{record.node} was made by {record.key.entry}, which this checkout does not have"
        raise KdpipeError(what, hint=f"kdpipe run {record.node}") from error


def stage_of_entry(entry: str) -> Stage:
    """The stage whose function that is. Raises KeyError or ImportError if there is none."""
    package, name = entry.split(".")[:2]
    declared = vars(importlib.import_module(f"{package}.{name}")).values()
    return {value.entry: value for value in declared if isinstance(value, Stage)}[entry]


def params_of(record: Record, stage: Stage) -> Any:
    """The parameters of a result; those that cannot change it have their defaults. Raises KdpipeError for one that is no more."""
    known = {f.name for f in dataclasses.fields(stage.params)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in record.key.params.items()}
    if gone := sorted(values.keys() - known):
        raise KdpipeError(
            f"{record.node} was made with {', '.join(gone)}, which {stage.name} has no more", hint=f"kdpipe run {record.node}"
        )
    return stage.params(**values)


def files_of(judge: Judge, record: Record) -> dict[str, Path]:
    """Parameter name -> the file of the very content that a result was made with. Raises DataError if it is not at hand."""
    found = {}
    for name, digest in record.key.files.items():
        if name.startswith("data/"):
            continue
        node = judge.graph.nodes.get(record.node)
        named = paths.file_at(str(getattr(node.params, name, ""))) if node is not None else None
        near = [*([named] if named is not None else []), *imports.weights(judge.store).values()]
        path = next((path for path in near if judge.store.memo.digest(path) == digest), None)
        if path is None:
            raise DataError(
                f"{record.node} was made with a file {name} (sha256 {digest[:12]}) that is not at hand",
                hint=f"--set {judge.graph.config.section(record.node)}.{name}=PATH",
            )
        found[name] = path
    return found
