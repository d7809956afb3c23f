"""An evaluation on disk.

evaluation.json    :class:`models.evaluation.record.Evaluation`
curves.jsonl       optional: the training curves, one object per network and epoch, ``{"model": name, "epoch": n, …}``
predictions.jsonl  optional: one object per network and item, ``{"model": name, "item": id, "answer": …, "prediction": …, …}``
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cache.errors import DataError, nearest
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
    text = json.dumps(dataclasses.asdict(evaluation), indent=2, sort_keys=True, allow_nan=False)
    (out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    if curves is not None:
        _write_lines(out / "curves.jsonl", curves, names, has="epoch")
    if predictions is not None:
        _write_lines(out / "predictions.jsonl", map(_flat, predictions), names, has="item")


def read_evaluation(directory: Path) -> Evaluation:
    """Read an evaluation back. Raises DataError if there is none, or one of another form."""
    try:
        raw = json.loads((directory / "evaluation.json").read_text(encoding="utf-8"))
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
    return list(_lines(path)) if path.is_file() else []


def network_curves(name: str, directory: Path) -> Iterator[dict[str, Any]]:
    """The curves in the artifact of a trained network (:mod:`models.training.artifact`), under the name that it has here."""
    return ({"model": name, **record} for record in _lines(directory / "curves.jsonl"))


def _flat(said: Prediction) -> Record:
    return {**said.about, "model": said.model, "item": said.item, "answer": said.answer, "prediction": said.prediction}


def _row(raw: Record) -> Row:
    return Row(**{**raw, "scores": {name: Score(**score) for name, score in raw["scores"].items()}})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _write_lines(path: Path, records: Iterable[Record], models: set[str], *, has: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            if (name := record.get("model")) not in models:
                raise DataError(f"{path.name}: {name!r} is no network of the evaluation", hint=nearest(str(name), models))
            if has not in record:
                raise DataError(f"{path.name}: a record of {name} has no {has!r}: {record}")
            try:
                file.write(json.dumps(record, sort_keys=True, allow_nan=False) + "\n")
            except ValueError as error:
                raise DataError(f"{path.name}: a record of {name} has a number that is none: {record}") from error
