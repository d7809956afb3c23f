"""FSD50K, sounds of uneven length with any number of labels: ``FSD50K.{dev,eval}_audio/<fname>.wav`` and three tables.

``FSD50K.ground_truth/dev.csv`` has the columns fname, labels and split (``train`` or ``val``), ``eval.csv`` fname and labels, and
``vocabulary.csv`` a number, a label and its mid a line, without a header. Labels are divided by commas. The splits are ``train``, ``val``
and ``test``, which is the evaluation part. Classes are the labels, numbered as in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.index.annotations import Problems, read_bare_table, read_table, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.walk import ending, files_in

TRUTH = "FSD50K.ground_truth"
VOCABULARY = f"{TRUTH}/vocabulary.csv"
#: part -> its table, the columns that it has to have, and where its sounds lie
PARTS = {
    "dev": (f"{TRUTH}/dev.csv", ("fname", "labels", "split"), "FSD50K.dev_audio"),
    "eval": (f"{TRUTH}/eval.csv", ("fname", "labels"), "FSD50K.eval_audio"),
}
TABLES = [VOCABULARY, *(file for file, _, _ in PARTS.values())]
SPLITS = ("train", "val", "test")


def sources(root: Path) -> Iterator[str]:
    """The tables and the sounds that are there."""
    require(root, TABLES)
    yield from TABLES
    for _, _, folder in PARTS.values():
        yield from files_in(root, folder, lambda name: ending(name) == ".wav")


def read(root: Path) -> Dataset:
    """Read the dataset. Raises DataError on a bad table."""
    require(root, TABLES)
    problems = Problems()
    classes = _read_vocabulary(root, problems)
    known = set(classes)
    videos, said = [], []
    for part, (file, columns, folder) in PARTS.items():
        for place, row in read_table(root, file, columns):
            labels = tuple(row["labels"].split(","))
            split = row["split"] if part == "dev" else "test"
            wrong = _wrong(part, row["fname"], labels, split, known)
            if wrong:
                problems.add(file, place, wrong)
                continue
            videos.append(Video(row["fname"], f"{folder}/{row['fname']}.wav", (split,)))
            said.append(Annotation(row["fname"], labels))
    problems.raise_if_any()
    return Dataset(videos, splits=SPLITS, annotations=said, classes=classes)


def _read_vocabulary(root: Path, problems: Problems) -> tuple[str, ...]:
    """The labels in the order of their numbers, which have to be those of the lines."""
    labels: list[str] = []
    for place, (number, label, _) in read_bare_table(root, VOCABULARY, 3):
        if number != str(len(labels)):
            problems.add(VOCABULARY, place, f"expected the number {len(labels)}, found {number[:40]!r}")
        elif not label or label != label.strip() or "," in label or not label.isprintable():
            problems.add(VOCABULARY, place, f"expected a label, found {label[:60]!a}")
        elif label in labels:
            problems.add(VOCABULARY, place, f"the label {label[:60]!r} stands there twice")
        labels.append(label)
    problems.raise_if_any()
    return tuple(labels)


def _wrong(part: str, name: str, labels: tuple[str, ...], split: str, known: set[str]) -> str:
    """What is wrong with a row, or ""."""
    if not (name.isascii() and name.isdigit() and len(name) < 19):
        return f"column 'fname': expected a number, found {name[:60]!r}"
    if split not in SPLITS or (part == "dev" and split == "test"):
        return f"column 'split': expected train or val, found {split[:40]!r}"
    if labels == ("",):
        return "column 'labels' is empty"
    unknown = next((label for label in labels if label not in known), None)
    if unknown is not None:
        return f"column 'labels': {unknown[:60]!r} is not in {VOCABULARY}"
    if len(set(labels)) < len(labels):
        return f"column 'labels': a label stands twice in {','.join(labels)[:60]!r}"
    return ""


LAYOUT = Layout(sources=sources, read=read, holds=("audio", "classes"))
