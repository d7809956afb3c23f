"""Which videos: the lines ``<file>,<label>;<label>`` of the published extractor's input list."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from cache.errors import DataError
from formats.text_file import text_lines
from pipeline.describe.write import Own

FORM = "<file>,<label>;<label>"
HINT = f"a line is {FORM}, in UTF-8: whole numbers from 0, a comma before them, '/' between folders, a name with a comma in double quotes"
#: The largest label that a record can hold.
LARGEST = (1 << 63) - 1
#: What lists of other tools have in the place of our comma, or before a line: looked for in names of files that are not there.
FOREIGN = re.compile(r"^#|[\t;|\\]|\.\w+(?:[ :=]|->)|\s\d+$")


def read_list(path: Path) -> list[Own]:
    """The videos of a list; files are relative to it, ids are their names as they stand, without the ending. Labels may be left out.

    Raises DataError that names file and line. A file that is not there is no error, unless its name looks like a name and a label.
    """
    found: dict[str, Own] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            name, labels = _fields(line)
            if not os.path.lexists(path.parent / name) and FOREIGN.search(name):
                raise ValueError(f"there is no file {name[:80]!r}; expected {FORM}")
            id = str(Path(name).with_suffix(""))
            if lines.setdefault(id, number) != number:
                raise ValueError(f"a second video {id!r}, after line {lines[id]}")
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}", hint=HINT) from error
        found[id] = Own(id, path.parent / name, labels)
    if not found:
        raise DataError(f"{path} names no video", hint=HINT)
    return list(found.values())


def _fields(line: bytes) -> tuple[str, tuple[int, ...]]:
    """File and labels of one line. Raises ValueError that says what is wrong."""
    try:
        text = line.decode().strip("\r\n")
        (row,) = csv.reader([text], strict=True)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text, byte {error.start + 1} of the line; if it is latin-1: iconv -f latin1 -t UTF-8") from error
    except csv.Error as error:
        raise ValueError(f"{error}: expected {FORM}, found {text[:80]!r}") from error
    name, *rest = (field.strip() for field in row)
    labels = [label.strip() for label in rest[0].split(";") if label.strip()] if rest else []
    if len(rest) > 1 or not all(label.isascii() and label.isdigit() for label in labels):
        raise ValueError(f"expected {FORM}, found {text[:80]!r}")
    if not Path(name).name or "\0" in name:
        raise ValueError(f"no name of a file: expected {FORM}, found {text[:80]!r}")
    large = next((label for label in labels if len(label) > len(str(LARGEST)) or int(label) > LARGEST), "")
    if large:
        raise ValueError(f"the label {large[:40]} is beyond 64 bits")
    return name, tuple(map(int, labels))
