"""Which videos: the lines ``<file>,<label>;<label>`` of the published extractor's input list."""

from __future__ import annotations

import csv
from pathlib import Path

from cache.errors import DataError
from stages.describe.write import Own


def read_list(path: Path) -> list[Own]:
    """The videos of a list; files are relative to it, ids are their names as they stand, without the ending. Labels may be left out.

    Raises DataError that names the line.
    """
    found: dict[str, Own] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row:
                continue
            where = f"{path.name}, line {number}"
            labels = [text.strip() for text in row[1].split(";")] if len(row) > 1 else []
            bad = next((text for text in labels if text and not (text.isascii() and text.isdigit())), None)
            if bad is not None or len(row) > 2:
                raise DataError(f"{where}: expected <file>,<label>;<label>, found {','.join(row)[:80]!r}")
            id = str(Path(row[0]).with_suffix(""))
            if id in found:
                raise DataError(f"{where}: a second video {id!r}")
            found[id] = Own(id, path.parent / row[0], tuple(int(text) for text in labels if text))
    if not found:
        raise DataError(f"{path.name} names no video", hint="lines: <file>,<label>;<label>")
    return list(found.values())
