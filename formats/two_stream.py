"""Folders of flow pictures as two-stream networks read them: of dense_flow, denseflow and MMAction2's script.

``<video>/flow_x_00001.jpg``, ``flow_y_00001.jpg``: grey pictures of the two components; ``img_00001.jpg``: the frames. Counting frames
from 0, the picture of frame k is number k, and the flow from frame k to k + 1 is number k + ``first``:

========== ===================== ===== ==============================================================
tool       names                 first frames
========== ===================== ===== ==============================================================
dense_flow flow_x_%05d, flow_y_… 1     img_%05d from 1: the very first frame is not there
denseflow  flow_x_%05d, flow_y_… 0     img_%05d from 0
mmaction   x_%05d, y_%05d        1     img_%05d from 1
========== ===================== ===== ==============================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError, DataError, nearest
from formats.still import read_still


@dataclass(frozen=True)
class Tool:
    """How a tool names its pictures: beginnings of the names, and the number of the first flow."""

    x: str
    y: str
    first: int


TOOLS = {"dense_flow": Tool("flow_x_", "flow_y_", 1), "denseflow": Tool("flow_x_", "flow_y_", 0), "mmaction": Tool("x_", "y_", 1)}
FRAME = "img_"


def tool_of(name: str) -> Tool:
    """The tool of that name. Raises ConfigError naming the nearest."""
    if name not in TOOLS:
        raise ConfigError(f"no tool {name!r} writes such folders", hint=nearest(name, TOOLS))
    return TOOLS[name]


def write(folder: Path, tool: str, flows: Iterable[tuple[bytes, bytes]], frames: Iterable[bytes] = ()) -> None:
    """Write the flows between neighbours, each as two JPEGs (x, y), and the ``frames`` from the very first one on, as JPEGs.

    ``folder`` is created. Raises FileExistsError rather than writing over a file.
    """
    form = tool_of(tool)
    folder.mkdir(parents=True, exist_ok=True)
    for number, pair in enumerate(flows, form.first):
        for name, data in zip((form.x, form.y), pair, strict=True):
            _write(folder / f"{name}{number:05d}.jpg", data)
    for number, data in enumerate(frames):
        if number >= form.first:
            _write(folder / f"{FRAME}{number:05d}.jpg", data)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)


@dataclass(frozen=True)
class Folder:
    """An opened folder: ``count`` flows, and the numbers of the ``frames`` that are there, counted from 0."""

    path: Path
    tool: Tool
    count: int
    frames: tuple[int, ...]

    def flow(self, k: int) -> npt.NDArray[np.uint8]:
        """The codes of the flow from frame k to k + 1, uint8 (H, W, 2). Raises DataError naming the file that cannot be read."""
        paths = [self.path / f"{name}{k + self.tool.first:05d}.jpg" for name in (self.tool.x, self.tool.y)]
        x, y = (read_still(path, "L") for path in paths)
        if x.shape != y.shape:
            raise DataError(f"{paths[1]}: a picture of {_size(y)} pixels, where {paths[0].name} has {_size(x)}")
        return np.stack([x, y], axis=2)

    def frame(self, k: int) -> npt.NDArray[np.uint8]:
        """Frame k, RGB uint8 (H, W, 3)."""
        return read_still(self.path / f"{FRAME}{k:05d}.jpg")


def _size(picture: npt.NDArray[np.uint8]) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"


def read(folder: Path, tool: str = "") -> Folder:
    """Open a folder; without ``tool``, its names and its first number say which one made it.

    Raises DataError naming the file where a number is missing in the middle, or one component has more pictures than the other.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise DataError(f"{folder} is no folder of flow pictures: {error.strerror}") from error
    form = tool_of(tool or _guess(names))
    x, y = (_numbers(names, beginning) for beginning in (form.x, form.y))
    if not x and not y:
        raise DataError(f"{folder} holds no {form.x}*.jpg", hint=f"known: {', '.join(TOOLS)}")
    last = max(x | y)
    for number in range(form.first, last + 1):
        for beginning, there in ((form.x, x), (form.y, y)):
            if number not in there:
                raise DataError(f"{folder / beginning}{number:05d}.jpg is missing, though numbers go from {form.first} to {last}")
    return Folder(folder, form, len(x), tuple(sorted(_numbers(names, FRAME))))


def _guess(names: list[str]) -> str:
    if _numbers(names, TOOLS["denseflow"].x):
        return "denseflow" if f"{TOOLS['denseflow'].x}00000.jpg" in names else "dense_flow"
    return "mmaction"


def _numbers(names: list[str], beginning: str) -> set[int]:
    form = re.compile(re.escape(beginning) + r"([0-9]{5,9})\.jpg")
    return {int(match[1]) for name in names if (match := form.fullmatch(name))}
