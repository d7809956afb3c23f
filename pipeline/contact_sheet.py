"""A page of pictures of what was derived: a video a row, its frame beside its flow, depth and skeleton."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cache.errors import KdpipeError
from pipeline.derived import Derivation
from pipeline.text import line_text

KINDS = ("flow", "depth", "skeleton")
#: pixels: a cell at most, what lies between cells, a line of text
WIDTH, HEIGHT, GAP, LINE = 240, 180, 6, 14
GROUND, INK, PALE = (250, 250, 250), (40, 40, 40), (225, 225, 225)


def contact_sheet(path: Path, made: Mapping[str, Derivation], missing: Iterable[str], videos: int = 8) -> int:
    """Write the page, as PNG or whatever ``path`` ends in, and return how many videos are on it.

    ``made``: node -> what it holds; ``missing``: nodes that hold nothing yet. A modality without a node has a column that says so.
    Each video shows the frame in the middle of what was derived of it. Raises KdpipeError if nothing was made, or for an unknown ending.
    """
    if not made:
        raise KdpipeError("nothing was derived yet", hint=f"kdpipe run {next(iter(missing), 'derive')}")
    columns = _columns(made, list(missing))
    rows = _chosen(made, videos)
    cells = [_cells(made, columns, id) for id in rows]
    width, height = (max(cell.size[side] for row in cells for cell in row) for side in (0, 1))
    sheet = Image.new("RGB", (GAP + (1 + len(columns)) * (width + GAP), 3 * LINE + len(rows) * (height + LINE + GAP)), GROUND)
    pen = ImageDraw.Draw(sheet)
    for n, lines in enumerate([("RGB", ""), *columns.values()]):
        for line, text in enumerate(lines):
            pen.text((GAP + n * (width + GAP), 2 + line * LINE), _fitting(text, width), fill=INK)
    for n, (id, row) in enumerate(zip(rows, cells, strict=True)):
        top = 3 * LINE + n * (height + LINE + GAP)
        for column, cell in enumerate(row):
            sheet.paste(cell, (GAP + column * (width + GAP), top))
        pen.text((GAP, top + height), line_text(id)[:120], fill=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        sheet.save(path)
    except (ValueError, KeyError) as error:
        raise KdpipeError(f"{path}: no picture is called so", hint="a name that ends in .png or .jpg") from error
    return len(rows)


def _columns(made: Mapping[str, Derivation], missing: list[str]) -> dict[str, tuple[str, str]]:
    """Node (or modality without one) -> the two lines above its column; in the order of :data:`KINDS`."""
    found: dict[str, tuple[str, str]] = {}
    for kind in KINDS:
        nodes = {name: one for name, one in made.items() if one.kind == kind}
        for name, one in nodes.items():
            shown = one.coding if one.coding not in ("float", "xy", "grey16", "keypoints") else f"kept as {one.coding}"
            found[name] = (name, f"{one.about.get('expert', '?')}, {shown}")
        if not nodes:
            absent = [name for name in missing if name == f"derive.{kind}"]
            found[absent[0] if absent else f"derive.{kind}"] = (kind, "not derived yet" if absent else "nothing to show")
    return found


def _chosen(made: Mapping[str, Derivation], videos: int) -> list[str]:
    """Ids of at most ``videos`` videos that something was derived of, at even places of the list of all."""
    ids = list(dict.fromkeys(row["id"] for one in made.values() for row in one.rows))
    if not ids:
        raise KdpipeError("no video has anything derived", hint="kdpipe show derive --ledger says why")
    places = np.unique(np.linspace(0, len(ids) - 1, min(videos, len(ids))).round().astype(int))
    return [ids[place] for place in places]


def _cells(made: Mapping[str, Derivation], columns: Mapping[str, Any], id: str) -> list[Image.Image]:
    """The pictures of a row: the frame, then each column's."""
    found = {name: row for name, one in made.items() for row in one.rows if row["id"] == id}
    first = next(iter(found))
    numbers = made[first].opened(found[first]).numbers
    number = int(numbers[len(numbers) // 2])
    cells = [_cell(made[first].frames(found[first]).images(number))]
    for name in columns:
        if name not in found:
            cells.append(_empty("nothing derived", cells[0].size))
            continue
        there = made[name].opened(found[name]).numbers
        nearest = int(there[np.abs(there - number).argmin()])
        cells.append(_cell(made[name].pictures(found[name])(nearest)))
    return cells


def _cell(picture: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(picture)
    scale = min(WIDTH / image.width, HEIGHT / image.height)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BICUBIC)


def _empty(text: str, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, PALE)
    ImageDraw.Draw(image).text((GAP, GAP), text, fill=INK)
    return image


def _fitting(text: str, width: int) -> str:
    """As much of ``text`` as a column is wide."""
    most = max(1, width // 6)
    return text if len(text) <= most else text[: most - 1] + "…"
