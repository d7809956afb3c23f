"""An evaluation on disk.

evaluation.json    :class:`models.evaluation.record.Evaluation`
curves.jsonl       optional: the training curves, one object per network and epoch, ``{"model": name, "epoch": n, …}``
predictions.jsonl  optional: one object per network and item, ``{"model": name, "item": id, "answer": …, "prediction": …, …}``
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cache.errors import DataError, nearest
from cache.json_files import read_json, read_lines, write_json, write_lines
from models.evaluation.record import Column, Cost, Evaluation, Items, Own, Panel, Row, Score

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a network said of an item: ``answer`` is the truth, ``prediction`` None where it could say nothing; ``about`` is free."""

    model: str
    item: str
    answer: Any
    prediction: Any
    about: Record = dataclasses.field(default_factory=dict)


def write_evaluation(
    out: Path, evaluation: Evaluation, *, curves: Iterable[Record] | None = None, predictions: Iterable[Prediction] | None = None
) -> None:
    """Write an evaluation; predictions are written as they come. Raises DataError if it contradicts itself or a number is none."""
    evaluation.check()
    names = {row.name for row in evaluation.networks}
    write_json(out / "evaluation.json", dataclasses.asdict(evaluation))
    for file, records, has in (("curves.jsonl", curves, "epoch"), ("predictions.jsonl", predictions and map(_flat, predictions), "item")):
        if records is not None:
            write_lines(out / file, _checked(file, records, names, has))


def read_evaluation(directory: Path) -> Evaluation:
    """Read an evaluation back. Raises DataError if there is none, or one of another form."""
    try:
        raw = read_json(directory / "evaluation.json")
        evaluation = Evaluation(
            **{
                **raw,
                "columns": tuple(Column(**column) for column in raw["columns"]),
                "items": Items(**raw["items"]),
                "networks": tuple(_row(row) for row in raw["networks"]),
                "baselines": tuple(_row(row) for row in raw["baselines"]),
                "pairs": tuple((first, second) for first, second in raw["pairs"]),
                "own": raw["own"] and Own(**raw["own"]),
                "costs": tuple(Cost(**cost) for cost in raw["costs"]),
                "panels": tuple(Panel(**panel) for panel in raw["panels"]),
                "notes": tuple(raw["notes"]),
                "flags": tuple(raw["flags"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{directory.name} holds no evaluation that can be read: {error}", hint="kdpipe evaluate") from error
    evaluation.check()
    return evaluation


def read_curves(directory: Path) -> list[dict[str, Any]]:
    """The training curves of all networks of an evaluation; none if it has none."""
    path = directory / "curves.jsonl"
    return list(read_lines(path)) if path.is_file() else []


def network_curves(name: str, directory: Path) -> Iterator[dict[str, Any]]:
    """The curves in the artifact of a trained network (:mod:`models.training.artifact`), under the name that it has here."""
    return ({"model": name, **record} for record in read_lines(directory / "curves.jsonl"))


def _flat(said: Prediction) -> Record:
    return {**said.about, "model": said.model, "item": said.item, "answer": said.answer, "prediction": said.prediction}


def _row(raw: Record) -> Row:
    return Row(**{**raw, "scores": {name: Score(**score) for name, score in raw["scores"].items()}})


def _checked(file: str, records: Iterable[Record], models: set[str], has: str) -> Iterator[Record]:
    """The records, if each is of a network of the evaluation."""
    for record in records:
        if (name := record.get("model")) not in models:
            raise DataError(f"{file}: {name!r} is no network of the evaluation", hint=nearest(str(name), models))
        if has not in record:
            raise DataError(f"{file}: a record of {name} has no {has!r}: {record}")
        yield record
