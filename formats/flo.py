"""Middlebury's ``.flo``: the flow of one pair of frames, float32.

Little-endian: the number 202021.25 (the bytes ``PIEH``), width and height as int32, then height rows of width pairs (x, y).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.given import read_bytes

MAGIC = b"PIEH"
HEAD = 12
#: The largest side that is believed.
LONGEST = 99_999


def encode(flow: npt.NDArray[np.floating]) -> bytes:
    """The file of ``flow`` (H, W, 2), as bytes."""
    height, width, _ = flow.shape
    return MAGIC + np.array([width, height], "<i4").tobytes() + flow.astype("<f4").tobytes()


def write(path: Path, flow: npt.NDArray[np.floating]) -> None:
    """Write ``flow`` (H, W, 2)."""
    path.write_bytes(encode(flow))


def read(path: Path) -> npt.NDArray[np.float32]:
    """The flow (H, W, 2) of a file. Raises DataError naming the file if it is not there, no .flo file, or not as long as it says."""
    data = read_bytes(path, most=1 << 30)
    if len(data) < HEAD or not data.startswith(MAGIC):
        what = "its bytes are in another order" if data.startswith(MAGIC[::-1]) else "it does not begin with PIEH"
        raise DataError(f"{path} is no .flo file: {what}", hint="write it as little-endian float32")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, 4))
    if not (0 < width <= LONGEST and 0 < height <= LONGEST):
        raise DataError(f"{path} is damaged: a picture of {width} x {height} pixels")
    if len(data) != HEAD + 8 * width * height:
        raise DataError(f"{path} is damaged: {len(data):,} bytes, where {width} x {height} pixels take {HEAD + 8 * width * height:,}")
    return np.frombuffer(data, "<f4", offset=HEAD).reshape(height, width, 2).astype(np.float32)
