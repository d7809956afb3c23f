"""What all networks of all replicates said of all items, in columns: a few numbers an item, so that 100,000 of them are small."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.evaluation.files import Found, Part, Prediction, read_predictions
from models.evaluation.record import Evaluation

#: A network said nothing of an item: because it could not, or because it was never asked.
SILENT, ABSENT = -1, -2
#: So many of its best answers are shown.
TOP = 5
#: Probabilities are kept in parts of this.
WHOLE = 10_000


@dataclass
class Words:
    """Texts by number, each once."""

    texts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, text: str) -> int:
        if text not in self.numbers:
            self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return self.numbers[text]


class Cells(array):  # type: ignore[type-arg]
    """Integers by item, ``missing`` where none was set yet; ``wide`` of them an item."""

    missing: int
    wide: int

    def __new__(cls, missing: int, wide: int = 1) -> Cells:
        """An empty column."""
        made = super().__new__(cls, "i")
        made.missing, made.wide = missing, wide
        return made

    def room(self, items: int) -> None:
        """Make room for so many items."""
        lack = items * self.wide - len(self)
        if lack > 0:
            self.extend([self.missing] * lack)


@dataclass
class Asked:
    """The items and what was said of them.

    words: answers, true and given. kinds, folds: types of items; parts of the data. ids, about: of every item, the latter as JSON;
    videos: the id of its video in the index.
    kind, fold: of every item, as numbers. answer: the true answers of all items, one item after the other, each as long as ``ends`` says.
    networks, seeds: whose answers. said, right, best: by (seed, network): the answer (N), whether it is right (N: 1, 0, or ABSENT), its
    best answers and their chances in parts of ``WHOLE`` (N × 2 TOP).
    parts: row -> the true parts of an item in time, as JSON, with numbers for classes; found: by (seed, network) so what was found.
    """

    networks: Sequence[str]
    seeds: Sequence[int]
    words: Words = field(default_factory=Words)
    kinds: Words = field(default_factory=Words)
    folds: Words = field(default_factory=Words)
    ids: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    kind: array[int] = field(default_factory=lambda: array("i"))
    fold: array[int] = field(default_factory=lambda: array("i"))
    answer: array[int] = field(default_factory=lambda: array("i"))
    ends: array[int] = field(default_factory=lambda: array("i"))
    parts: dict[int, str] = field(default_factory=dict)
    found: dict[tuple[int, str], dict[int, str]] = field(default_factory=dict)
    said: dict[tuple[int, str], Cells] = field(default_factory=dict)
    right: dict[tuple[int, str], Cells] = field(default_factory=dict)
    best: dict[tuple[int, str], Cells] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def single(self) -> bool:
        """Whether every item has one true answer."""
        return len(self.answer) == len(self) and all(end == place for place, end in enumerate(self.ends, 1))

    @property
    def columns(self) -> Iterator[tuple[int, str]]:
        """Seed and network of every column of answers."""
        return ((seed, network) for seed in self.seeds for network in self.networks)


def gather(evaluations: Iterable[tuple[Evaluation, Path]]) -> Asked:
    """Read the predictions of all replicates, in order. Empty where no evaluation keeps any."""
    found = list(evaluations)
    first = found[0][0]
    asked = Asked([row.name for row in first.networks], list(dict.fromkeys(evaluation.seed for evaluation, _ in found)))
    for column in asked.columns:
        asked.said[column], asked.right[column] = Cells(ABSENT), Cells(ABSENT)
        asked.best[column] = Cells(ABSENT, 2 * TOP)
        asked.found[column] = {}
    rows: dict[tuple[str, str], int] = {}
    for evaluation, directory in found:
        for one in read_predictions(directory):
            _add(asked, rows, evaluation, one)
    for kept in (asked.said, asked.right, asked.best):
        for column in kept.values():
            column.room(len(asked))
    return asked


def text(value: Any) -> str:
    """An answer as people read it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _add(asked: Asked, rows: dict[tuple[str, str], int], evaluation: Evaluation, one: Prediction) -> None:
    name = (evaluation.fold, one.item)
    if name not in rows:
        rows[name] = len(asked)
        asked.ids.append(one.item)
        asked.about.append(_about(one.about))
        asked.videos.append(str(one.about.get("video_id", one.item)))
        asked.kind.append(asked.kinds[one.kind])
        asked.fold.append(asked.folds[evaluation.fold])
        asked.answer.extend(asked.words[text(answer)] for answer in (one.answer if isinstance(one.answer, list) else [one.answer]))
        asked.ends.append(len(asked.answer))
        if one.parts:
            asked.parts[rows[name]] = _numbered(asked.words, one.parts)
    row, column = rows[name], (evaluation.seed, one.model)
    for kept in (asked.said, asked.right, asked.best):
        kept[column].room(row + 1)
    asked.said[column][row] = SILENT if one.prediction is None else asked.words[text(one.prediction)]
    asked.right[column][row] = int(one.is_right)
    for place, (answer, chance) in enumerate(one.top[:TOP]):
        asked.best[column][(row * TOP + place) * 2] = asked.words[text(answer)]
        asked.best[column][(row * TOP + place) * 2 + 1] = round(chance * WHOLE)

    if one.found:
        asked.found[column][row] = _numbered(asked.words, one.found)


def _numbered(words: Words, parts: Iterable[Part] | Iterable[Found]) -> str:
    """Parts in time as JSON: a flat list with the number of each class in its place, and 1 or 0 for whether it is right."""
    return json.dumps([int(cell) if isinstance(cell, bool) else cell for name, *rest in parts for cell in (words[name], *rest)])


def _about(about: Mapping[str, Any]) -> str:
    """What else is known of an item, as a JSON object of texts; the words of a sentence are put together."""
    told = {
        name: " ".join(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else text(value)
        for name, value in about.items()
    }
    return json.dumps(told)
