"""What every adapter's dataset has to be, whatever its layout: said by the index, not by a stage hours later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cache.errors import DataError
from stages.index.annotations import HINT
from stages.index.dataset import Annotation, Dataset, Question

#: How many wrong things an error names.
SHOWN = 5


def check(dataset: Dataset, holds: tuple[str, ...] = ()) -> None:
    """Raise DataError that names the first of what is wrong with the ids, the splits, the questions or the annotations.

    ``holds``: what the layout says that it has (:class:`stages.index.dataset.Layout`).
    """
    videos, classes = {video.id for video in dataset.videos}, set(dataset.classes)
    _refuse("id(s) of files stand twice", (repr(name) for name, n in Counter(video.name for video in dataset.videos).items() if n > 1))
    _refuse("class(es) have no name of their own", _unnamed(dataset))
    _refuse("file(s) are in no split that the dataset has", _astray(dataset))
    _refuse("question(s) cannot be used", (f"{_place(q)}: {what}" for q in dataset.questions for what in _of_question(q, dataset, videos)))
    _refuse(
        "annotation(s) cannot be used", (f"{_said(a)}: {what}" for a in dataset.annotations for what in _of_annotation(a, videos, classes))
    )
    if dataset.questions and "train" in dataset.splits and not any(question.split == "train" for question in dataset.questions):
        raise DataError("the training split holds no question", hint=HINT)
    if "class" in holds:
        counted = Counter(annotation.video_id for annotation in dataset.annotations for _ in annotation.classes)
        _refuse("video(s) have not exactly one class", (f"{id!r} has {counted[id]}" for id in sorted(videos) if counted[id] != 1))


def _refuse(what: str, wrong: Iterator[str]) -> None:
    found = list(wrong)
    if found:
        rest = f"\n    ... and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise DataError(f"{len(found)} {what}:" + "".join(f"\n    {text}" for text in found[:SHOWN]) + rest, hint=HINT)


def _unnamed(dataset: Dataset) -> Iterator[str]:
    """Classes that annotations could not tell apart."""
    if dataset.annotations:
        yield from (repr(name) for name, number in Counter(dataset.classes).items() if number > 1 or not name)


def _astray(dataset: Dataset) -> Iterator[str]:
    for video in dataset.videos:
        yield from (f"{video.name!r} is in {split!r}" for split in video.splits if split not in dataset.splits)


def _place(question: Question) -> str:
    return f"{question.split}, entry {question.question_id}"


def _of_question(question: Question, dataset: Dataset, videos: set[str]) -> Iterator[str]:
    """The question files of the community hold integers for videos; only layouts without questions may call them otherwise."""
    digits = question.video_id.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        yield f"video_id {question.video_id!r} is not an integer"
    elif question.video_id not in videos:
        yield f"video_id {question.video_id!r} is the id of no video"
    if question.split not in dataset.splits:
        yield f"there is no split {question.split!r}"


def _said(annotation: Annotation) -> str:
    part = f" from {annotation.segment[0]} to {annotation.segment[1]} s" if annotation.segment else ""
    return f"{annotation.video_id!r}{part}"


def _of_annotation(annotation: Annotation, videos: set[str], classes: set[str]) -> Iterator[str]:
    if annotation.video_id not in videos:
        yield "it is the id of no video"
    if not annotation.classes:
        yield "it has no class"
    yield from (f"{name!r} is not among the classes" for name in annotation.classes if name not in classes)
    if annotation.segment and not 0 <= annotation.segment[0] < annotation.segment[1] < float("inf"):
        yield "a part begins at 0 or later and ends after it begins"
