"""How a stored picture must be turned to stand upright: the display matrix of a stream, in quarter turns and mirrors.

A display matrix is nine 32-bit integers ``a b u  c d v  x y w`` (ISO/IEC 14496-12, 6.2.2): a stored point (p, q), p to
the right and q downwards, is shown at (a p + c q, b p + d q), up to a shift.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Orientation:
    """Transpose first, then reverse rows and columns: the eight ways to lay a rectangle on itself."""

    transpose: bool = False
    reverse_rows: bool = False
    reverse_columns: bool = False

    def apply(self, image: Image) -> Image:
        """Return ``image`` (H, W, 3) upright: (H, W, 3) or (W, H, 3), C-contiguous."""
        if self.transpose:
            image = image.transpose(1, 0, 2)
        if self.reverse_rows:
            image = image[::-1]
        if self.reverse_columns:
            image = image[:, ::-1]
        return np.ascontiguousarray(image)

    @property
    def mirrored(self) -> bool:
        """Is it more than a turn?"""
        return self.transpose != (self.reverse_rows != self.reverse_columns)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as shown."""
        return (height, width) if self.transpose else (width, height)


UPRIGHT = Orientation()


def from_matrix(matrix: bytes) -> Orientation:
    """Read a display matrix (36 bytes, native order); angles between quarter turns go to the nearest one."""
    if len(matrix) < 36:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, reverse_rows=d < 0, reverse_columns=a < 0)
    return Orientation(True, reverse_rows=b < 0, reverse_columns=c < 0)


def from_degrees(text: str) -> Orientation:
    """Read the older ``rotate`` tag: degrees clockwise, as text; what is not a number is no rotation."""
    try:
        turns = round(float(text) / 90) % 4
    except (ValueError, OverflowError):
        return UPRIGHT
    return (
        UPRIGHT,
        Orientation(True, reverse_columns=True),
        Orientation(False, reverse_rows=True, reverse_columns=True),
        Orientation(True, reverse_rows=True),
    )[turns]
