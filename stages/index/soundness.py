"""What every adapter's dataset has to be, whatever its layout: said by the index, not by a stage hours later."""

from __future__ import annotations

from cache.errors import DataError
from stages.index.dataset import Dataset

#: How many wrong questions an error names.
SHOWN = 5


def check(dataset: Dataset) -> None:
    """Raise DataError if two videos share an id, a question is about no video or about one without a number, or a split has none.

    The question files of the community hold integers for videos; only layouts without questions may call them otherwise.
    """
    ids = [video.id for video in dataset.videos]
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = [id for id in ids if id in seen or seen.add(id)]  # type: ignore[func-returns-value]
        raise DataError(f"{len(twice)} id(s) of videos stand twice: {', '.join(map(repr, twice[:SHOWN]))}")
    known = set(ids)
    wrong = [
        f"{question.split}, entry {question.question_id}: video_id {question.video_id!r} {what}"
        for question in dataset.questions
        if (what := _wrong(question.video_id, known))
    ]
    if wrong:
        rest = f"\n    ... and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(
            f"{len(wrong)} question(s) are about no video of the dataset:" + "".join(f"\n    {text}" for text in wrong[:SHOWN]) + rest,
            hint="docs/DATASETS.md shows what is expected",
        )
    empty = [split for split in dataset.splits if not any(question.split == split for question in dataset.questions)]
    if dataset.questions and "train" in empty:
        raise DataError("the training split holds no question", hint="docs/DATASETS.md shows what is expected")


def _wrong(id: str, known: set[str]) -> str:
    if not (id.removeprefix("-").isascii() and id.removeprefix("-").isdecimal()):
        return "is not an integer"
    return "" if id in known else "is the id of no video"
