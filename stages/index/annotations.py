"""Annotation files of any layout: what is wrong is collected with its file and place; texts are read as lines, as tables or as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cache.errors import DataError, nearest
from cache.given import read_bytes, read_text

HINT = "docs/DATASETS.md shows what is expected"
#: The largest list or table that is read; published ones have a few MB.
MOST_BYTES = 16 << 20
#: More values than this are no annotations: a million questions have five million.
MOST_VALUES = 5_000_000
#: How many problems one error lists.
SHOWN = 10


class Problems:
    """Collects what is wrong, so that one run shows ten problems and not the first alone."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, file: str, where: str, what: str) -> None:
        """Note that ``what`` is wrong at ``where`` (an entry, a line) of ``file``."""
        self.found.append(f"{file}, {where}: {what}")

    def raise_if_any(self) -> None:
        """Raise DataError listing the first problems, if there are any."""
        if self.found:
            rest = len(self.found) - SHOWN
            shown = "".join(f"\n    {problem}" for problem in self.found[:SHOWN])
            more = f"\n    ... and {rest} more" if rest > 0 else ""
            raise DataError(f"the annotations have {len(self.found)} problem(s):{shown}{more}", hint=HINT)


def require(root: Path, files: list[str]) -> None:
    """Raise DataError naming the first of ``files`` that does not lie under ``root``."""
    for file in files:
        place = root / file
        if not place.is_file():
            near = nearest(place.name, [p.name for p in place.parent.iterdir()]) if place.parent.is_dir() else ""
            hint = "docs/DATASETS.md shows which files are expected" + (f" ({near})" if near.startswith("did") else "")
            raise DataError(f"{file} is not there, under the data root {root}", hint=hint)


def read_lines(root: Path, file: str) -> Iterator[tuple[str, str]]:
    """The lines of a list that are not blank, each behind its place (``"line 1"``).

    Blanks at their ends and a byte order mark are left out; bytes that are not UTF-8 are kept, since they may name a file. Raises
    DataError if it cannot be read, or has no line.
    """
    text = read_bytes(root / file, file, most=MOST_BYTES, hint=HINT).decode("utf-8-sig", "surrogateescape")
    if not text.strip():
        raise DataError(f"{file} is empty", hint=HINT)
    return ((f"line {number}", line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def read_table(root: Path, file: str, columns: Sequence[str], most: int = MOST_BYTES) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV file with a header, each behind its place; what a row lacks is "".

    Raises DataError if the file cannot be read or is larger than ``most`` bytes, has none of a name in ``columns``, has no row, or is no
    CSV, with the line.
    """
    text = io.StringIO(read_text(root / file, file, most=most, hint=HINT), newline="")
    reader = csv.DictReader(text, strict=True, restval="")
    try:
        there = reader.fieldnames or ()
        missing = [name for name in columns if name not in there]
        if missing:
            near = nearest(missing[0], there)
            raise DataError(f"{file}, line 1: no column {', '.join(missing)}", hint=f"{near}; {HINT}" if near.startswith("did") else HINT)
        row = None
        for row in reader:
            yield f"line {reader.line_num}", row
        if row is None:
            raise DataError(f"{file} holds no row but its header", hint=HINT)
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.reader.line_num}: {error}", hint=HINT) from error


def read_bare_table(root: Path, file: str, width: int) -> Iterator[tuple[str, list[str]]]:
    """The rows of a CSV file without a header, each of ``width`` fields behind its place; empty lines are passed over.

    Raises DataError if the file cannot be read, has no row or one of another width, or is no CSV, with the line.
    """
    reader = csv.reader(io.StringIO(read_text(root / file, file, most=MOST_BYTES, hint=HINT), newline=""), strict=True)
    row = None
    try:
        for row in reader:
            if row and len(row) != width:
                raise DataError(f"{file}, line {reader.line_num}: expected {width} fields, found {len(row)}", hint=HINT)
            if row:
                yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}", hint=HINT) from error
    if row is None:
        raise DataError(f"{file} is empty", hint=HINT)


def read_json(root: Path, file: str) -> Any:
    """Read ``file`` as JSON. Raises DataError if it is not there, not JSON, or no annotations: too large, too deep, a key twice."""
    text = read_text(root / file, file, hint="docs/DATASETS.md shows which files are expected under the data root")
    if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
        raise DataError(f"{file}: not an annotation file: it holds more than {MOST_VALUES:,} values")
    try:
        return json.loads(text, object_pairs_hook=_Objects(file), parse_int=_integer)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise DataError(f"{file}: not an annotation file: nested too deeply") from error


class _Objects:
    """Makes the objects of a JSON text. Raises DataError for a key that stands twice: the parser would take the last in silence."""

    def __init__(self, file: str) -> None:
        self.file, self.made = file, 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.made += 1
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for number, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:number]))
            raise DataError(f"{self.file}, object {self.made}: key {twice!r} stands twice")
        return found


def _integer(digits: str) -> int | float:
    """An integer; one of more digits than any id has is no integer to us."""
    return int(digits) if len(digits) < 19 else float(digits)
