"""``grey16``: depth as PNG of one plane of 16 bits: metres x factor, truncated, as AdaBins writes it (1000 for NYU, 256 for KITTI).

What is beyond 65535 / factor metres becomes that, what is no number becomes 0.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from cache import pack
from media.codings.derived import Derived, Floats, Image, Numbers, Times, added, placed, unpacked


def grey16(depth: Floats, factor: float) -> npt.NDArray[np.uint16]:
    """``depth`` in metres as uint16."""
    with np.errstate(over="ignore"):  # infinity is beyond the range as well
        values = np.asarray(depth, np.float32) * np.float32(factor)
    return np.clip(np.nan_to_num(values, nan=0.0), 0, 65535).astype(np.uint16)


def png16(values: npt.NDArray[np.uint16]) -> bytes:
    """A PNG of uint16 (H, W)."""
    buffer = io.BytesIO()
    Pillow.fromarray(values).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Grey16Coder:
    """See :class:`media.codings.derived.Coder`."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._kept: dict[int, bytes] = {}

    def add(self, number: int, product: Any, frame: Image | None = None) -> None:
        """See :class:`media.codings.derived.Coder`."""
        self._kept[number] = png16(grey16(product, self._factor))

    def payload(self, index: Numbers, numbers: Numbers, times: Times) -> bytes:
        """``index``, ``numbers``, ``times``; picture k of 16 bits is ``grey16[places[k]:places[k + 1]]``."""
        kept = added(self._kept, numbers)
        places = np.cumsum([0, *map(len, kept)]).astype(np.int64)
        return pack.pack({"index": index, "numbers": numbers, "times": times, "places": places, "grey16": b"".join(kept)})


def coder(options: Mapping[str, Any]) -> Grey16Coder:
    """Options: ``factor``."""
    return Grey16Coder(options["factor"])


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are depth in metres, float32 (H, W), at most 1 / factor below what was added."""
    arrays = unpacked(payload, "grey16")
    where, places = placed(arrays["numbers"]), arrays["places"]

    def product(number: int) -> Floats:
        k = where[int(number)]
        with Pillow.open(io.BytesIO(arrays["grey16"][int(places[k]) : int(places[k + 1])].tobytes())) as image:
            return np.asarray(image).astype(np.float32) / np.float32(options["factor"])

    return Derived(arrays["index"], arrays["numbers"], arrays["times"], product)
