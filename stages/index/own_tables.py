"""Tables that people write of their own files: a CSV with a header, and in its column ``video`` paths relative to the data root.

Blanks around a cell are left out, as are blank lines and a byte order mark; columns that nobody asked for are left alone.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from cache.errors import DataError, nearest
from cache.given import read_text
from stages.index.annotations import HINT, MOST_BYTES, read_table, require

SPLITS = ("train", "val", "test")
#: What divides the cells of a table that is no CSV, and what it is called.
OTHER_DIVIDERS = {";": "semicolons", "\t": "tabs"}


def rows_of(root: Path, file: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows behind their places (``"line 7"``). Raises DataError for a table that is no CSV or lacks one of ``columns``."""
    require(root, [file])
    _check_header(root, file, columns)
    for place, row in read_table(root, file, columns):
        more: Sequence[str] = row.pop(None, ())  # type: ignore[call-overload] - where csv keeps what stands behind the last column
        if any(cell.strip() for cell in more):
            what = f"{len(more)} more cell(s) than the header has, from {more[0].strip()[:40]!r} on"
            raise DataError(f"{file}, {place}: {what}", hint='a text with a comma in it stands in double quotes: "yes, two"')
        yield place, {name: cell.strip() for name, cell in row.items()}


def has_column(root: Path, file: str, column: str) -> bool:
    """Whether the table has a column that may be left out."""
    return column in _header(root, file)


def wrong_path(path: str) -> str:
    """What is wrong with a path of the column ``video``, or ""."""
    if not path or "\0" in path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return f"column 'video': expected a path relative to the data root, found {path[:60]!r}"
    if str(PurePosixPath(path)) != path or path == ".":
        return f"column 'video': {path[:60]!r} is better written {str(PurePosixPath(path))[:60]!r}"
    return ""


def wrong_split(split: str) -> str:
    """What is wrong with a split, or ""."""
    if split in SPLITS:
        return ""
    near = nearest(split.lower(), SPLITS)
    return f"column 'split': expected train, val or test, found {split[:40]!r}" + (f" ({near})" if near.startswith("did") else "")


def _header(root: Path, file: str) -> list[str]:
    text = read_text(root / file, file, most=MOST_BYTES, hint=HINT)
    try:
        return next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error as error:
        raise DataError(f"{file}, line 1: {error}", hint=HINT) from error


def _check_header(root: Path, file: str, columns: Sequence[str]) -> None:
    """Refuse a header by what people get wrong in it: another divider, a name twice."""
    header = _header(root, file)
    for mark, name in OTHER_DIVIDERS.items():
        if len(header) == 1 and mark in header[0]:
            raise DataError(f"{file}, line 1: its cells are divided by {name}, not by commas", hint=f"expected {','.join(columns)}")
    twice = next((name for name, count in Counter(header).items() if count > 1 and name in columns), "")
    if twice:
        raise DataError(f"{file}, line 1: the column {twice!r} stands there twice", hint=HINT)
