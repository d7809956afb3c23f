"""What every protocol makes of every test file, for people to look at: its classes, and the one that an SVM or a network names.

A file is an item once for each column of the report, its kind: what an SVM says of its picture, of its sound, of both, what a tuned network
says. It is right if the class that is named is one of the file's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.evaluation.files import Prediction
from systems.xkd.listed import Split


class Answers(NamedTuple):
    """What a pre-training led to in a column: the file that says it, and the name of an SVM's input there, "" for a tuned network."""

    name: str
    column: str
    path: Path
    input: str


def predictions(all_answers: Iterable[Answers], split: Split) -> Iterator[Prediction]:
    """Every answer. Results of before answers were kept, and inputs that an SVM did not have, are passed over."""
    for answers in all_answers:
        if not answers.path.is_file():
            continue
        with np.load(answers.path) as file:
            if answers.input and answers.input not in file:
                continue
            best = file[answers.input][:, None] if answers.input else file["best"]
            chances = None if answers.input else file["probabilities"].astype(float).round(4).tolist()
            for row, (id, said) in enumerate(zip(file["ids"].tolist(), best.tolist(), strict=True)):
                yield _prediction(answers, split, id, said, chances[row] if chances else ())


def _prediction(answers: Answers, split: Split, id: str, said: list[int], chances: Any) -> Prediction:
    own = [split.classes[number] for number in split.labels[id]]
    named = [split.classes[number] for number in said]
    return Prediction(
        answers.name,
        f"{id}, {answers.column}",
        own if split.multi_label else own[0],
        named[0],
        {"video_id": id},
        kind=answers.column,
        right=named[0] in own,
        top=list(zip(named, chances)) if chances else (),
    )
