"""Pictures in files that people bring: decoded with errors that name the file."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache.errors import DataError
from cache.given import read_bytes

#: What PIL raises on files that are damaged or mean harm.
UNREADABLE = (OSError, ValueError, SyntaxError, TypeError, LookupError, ArithmeticError, MemoryError, Image.DecompressionBombError)
#: Bytes of the largest file, and pixels of the largest picture, that are read.
LARGEST, PIXELS = 64 << 20, 64_000_000


def read_still(path: Path, mode: str = "RGB") -> npt.NDArray[np.uint8]:
    """The picture of a file: uint8 (H, W, 3) with ``mode`` RGB, (H, W) with L (a colour picture of equal channels has these values).

    Raises DataError naming the file if it is not there, or no picture that can be decoded to its end.
    """
    data = read_bytes(path, most=LARGEST)
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning), Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, at most {PIXELS:,} are read")
            image.load()
            if mode == "L" and image.mode == "RGB":
                return np.asarray(image)[..., 0].copy()
            return np.array(image.convert(mode))
    except UNREADABLE as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path} is no picture, or is cut short: {why}", hint="make this file again") from error
