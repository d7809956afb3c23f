"""An evaluation on disk.

evaluation.json    :class:`models.evaluation.record.Evaluation`
curves.jsonl       optional: the training curves, one object per network and epoch, ``{"model": name, "epoch": n, …}``
predictions.jsonl  optional: one object per network and item, ``{"model": name, "item": id, "answer": …, "prediction": …, …}``, and where
                   they are known ``kind``, ``right``, ``top``, ``parts`` and ``found`` (:class:`Prediction`)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cache.errors import DataError, nearest
from cache.json_files import read_json, read_lines, write_json, write_lines
from models.evaluation.record import Column, Cost, Evaluation, Items, Own, Panel, Row, Score, Sort

Record = Mapping[str, Any]


#: A true part of an item in time: class, begin and end in seconds.
Part = tuple[str, float, float]
#: A part that a network found: class, begin and end in seconds, score, and whether it is right.
Found = tuple[str, float, float, float, bool]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a network said of an item.

    item:       its name, of which there is one in an evaluation.
    answer:     the truth; a list where several answers are true.
    prediction: None where it could say nothing.
    kind:       the type of the item, for tables by type; "" if there are no types.
    right:      whether it counts as right; None: if prediction and answer are equal.
    top:        its best answers with their probabilities, the best first.
    parts:      of an item in which something is looked for: its true parts.
    found:      the parts that the network found, the best first.
    about:      anything else that people should see of the item, by what it is called; ``video_id`` is the id, in the index, of the video
                that it is about, if it is not one itself; ``seconds`` how long an item with parts is.
    """

    model: str
    item: str
    answer: Any
    prediction: Any
    about: Record = dataclasses.field(default_factory=dict)
    kind: str = ""
    right: bool | None = None
    top: Sequence[tuple[Any, float]] = ()
    parts: Sequence[Part] = ()
    found: Sequence[Found] = ()

    @property
    def is_right(self) -> bool:
        """Whether it counts as right."""
        return self.prediction is not None and self.prediction == self.answer if self.right is None else self.right


_OWN = tuple(field.name for field in dataclasses.fields(Prediction) if field.name != "about")


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
                "sorts": tuple(Sort(sort["title"], tuple(sort["right"]), tuple(sort["wrong"])) for sort in raw.get("sorts", ())),
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


def read_predictions(directory: Path) -> Iterator[Prediction]:
    """What every network said of every item, as it was written; nothing if the evaluation keeps no predictions."""
    path = directory / "predictions.jsonl"
    return map(_prediction, read_lines(path)) if path.is_file() else iter(())


def network_curves(name: str, directory: Path) -> Iterator[dict[str, Any]]:
    """The curves in the artifact of a trained network (:mod:`models.training.artifact`), under the name that it has here."""
    return ({"model": name, **record} for record in read_lines(directory / "curves.jsonl"))


def _flat(said: Prediction) -> Record:
    if hidden := said.about.keys() & set(_OWN):
        raise DataError(
            f"predictions.jsonl: {sorted(hidden)[0]!r} of what is known of {said.item} would be lost: it has another meaning there"
        )
    known = {name: value for name in ("kind", "top", "parts", "found") if (value := getattr(said, name))}
    known |= {} if said.right is None else {"right": said.right}
    return {**said.about, **known, "model": said.model, "item": said.item, "answer": said.answer, "prediction": said.prediction}


def _prediction(raw: dict[str, Any]) -> Prediction:
    own = {name: raw.pop(name) for name in _OWN if name in raw}
    own |= {name: tuple(map(tuple, own[name])) for name in ("top", "parts", "found") if name in own}
    return Prediction(**own, about=raw)


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
