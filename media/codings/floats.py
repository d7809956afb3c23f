"""``float``: flow (H, W, 2) or depth (H, W) as float16, uncompressed.

A float16 has 11 bits: a flow of 20 pixels is kept to 1/64, a depth of 10 m to 4 mm. What is larger than 65504 becomes 65504.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import pack
from media.codings.derived import Derived, Floats, Image, Numbers, Times, added, placed, unpacked

LARGEST = np.finfo(np.float16).max


class FloatCoder:
    """See :class:`media.codings.derived.Coder`."""

    def __init__(self) -> None:
        self._kept: dict[int, npt.NDArray[np.float16]] = {}

    def add(self, number: int, product: Any, frame: Image | None = None) -> None:
        """See :class:`media.codings.derived.Coder`."""
        self._kept[number] = np.clip(product, -LARGEST, LARGEST).astype(np.float16)

    def payload(self, index: Numbers, numbers: Numbers, times: Times) -> bytes:
        """``index``, ``numbers``, ``times``; ``shapes`` int32 (K, 2 or 3), ``values`` float16 of all products, one after the other."""
        kept = added(self._kept, numbers)
        shapes = np.array([values.shape for values in kept], np.int32)
        values = np.frombuffer(b"".join(values.tobytes() for values in kept), np.float16)
        return pack.pack({"index": index, "numbers": numbers, "times": times, "shapes": shapes, "values": values})


def coder(options: Mapping[str, Any]) -> FloatCoder:
    """It has no options."""
    return FloatCoder()


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are float32, exactly the float16 that were kept."""
    arrays = unpacked(payload, "values")
    places, shapes = placed(arrays["numbers"]), arrays["shapes"]
    ends = np.cumsum(shapes.prod(axis=1, dtype=np.int64))

    def product(number: int) -> Floats:
        shape = shapes[places[int(number)]]
        end = int(ends[places[int(number)]])
        return arrays["values"][end - int(shape.prod(dtype=np.int64)) : end].reshape(shape).astype(np.float32)

    return Derived(arrays["index"], arrays["numbers"], arrays["times"], product)
