"""List files of two-stream networks: ``<video> <number of pictures> <label>`` a line, labels from 0.

They are called ``<dataset>/{train,val}_{rgb,flow}_split{1,2,3}.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cache.errors import DataError
from formats.text_file import text_lines


@dataclass(frozen=True)
class Clip:
    """One line: the name of a folder of pictures, how many there are, the number of the class."""

    video: str
    count: int
    label: int


def name_of(part: str, modality: str, fold: str) -> str:
    """The file of a split: ``part`` is train or val, ``modality`` rgb or flow."""
    return f"{part}_{modality}_split{fold}.txt"


def write(path: Path, clips: Iterable[Clip]) -> None:
    """Write a list. Raises DataError for a name with blanks, which no reader could tell from the numbers."""
    lines = []
    for clip in clips:
        if not re.fullmatch(r"\S+", clip.video):
            raise DataError(f"{clip.video!r} cannot stand in {path.name}: names in it have no blanks")
        lines.append(f"{clip.video} {clip.count} {clip.label}\n")
    path.write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> list[Clip]:
    """The lines of a list. Raises DataError naming file and line of what is none."""
    clips = []
    for number, line in enumerate(text_lines(path), 1):
        try:
            words = line.decode("utf-8").split()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, line {number}: not UTF-8 text") from error
        if not words:
            continue
        if len(words) != 3 or not all(re.fullmatch("[0-9]{1,9}", word) for word in words[1:]):
            raise DataError(f"{path}, line {number}: expected '<video> <number of pictures> <label>'")
        clips.append(Clip(words[0], int(words[1]), int(words[2])))
    return clips
