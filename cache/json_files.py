"""JSON files and JSON lines of artifacts, always of the same form: equal values are equal bytes, and a number that is none is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cache.errors import DataError


def read_json(path: Path) -> Any:
    """The value in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a value for people too: indented, keys sorted. Raises DataError for NaN and infinity."""
    path.write_text(_text(path, value, indent=2), encoding="utf-8", newline="\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, one a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write objects as they come, one a line, keys sorted. Raises DataError for NaN and infinity."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(_text(path, row))


def _text(path: Path, value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, indent=indent, sort_keys=True, allow_nan=False) + "\n"
    except ValueError as error:
        raise DataError(f"{path.name}: {str(value)[:200]} holds a number that is none") from error
