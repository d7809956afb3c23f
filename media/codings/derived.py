"""What a coding is: a coder that takes the products of one video, and what opens its payload again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from cache import pack
from cache.errors import DataError

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]
Times = npt.NDArray[np.float64]


class People(NamedTuple):
    """The people of one frame, float32: keypoints (P, joints, 3) as x, y, score; boxes (P, 4) as x, y, width, height; scores (P,)."""

    keypoints: Floats
    boxes: Floats
    box_scores: Floats
    scores: Floats

    @classmethod
    def of(cls, product: Any) -> People:
        """``product`` with these four attributes, or a tuple of them."""
        values = product if isinstance(product, tuple) else [getattr(product, name) for name in cls._fields]
        return cls(*(np.asarray(value, np.float32) for value in values))


class Coder(Protocol):
    """Takes the products of one video in any order; what has been added is kept encoded."""

    def add(self, number: int, product: Any, frame: Image | None = None) -> None:
        """Keep the product of frame ``number``: flow (H, W, 2), depth (H, W), or people; ``frame`` is RGB uint8 (H, W, 3)."""

    def payload(self, index: Numbers, numbers: Numbers, times: Times) -> bytes:
        """The payload of the clips ``index`` (C, F), whose distinct frame ``numbers`` (K,) were shown at ``times`` (K,), in seconds.

        Raises ValueError if a number was not added.
        """


@dataclass(frozen=True)
class Derived:
    """An opened payload. ``product(number)`` is that of one frame, named by its number: the product, or the RGB picture of it (uint8)."""

    index: Numbers
    numbers: Numbers
    times: Times
    product: Callable[[int], Any]


def unpacked(payload: bytes, needs: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a payload. Raises DataError if it is empty, damaged, or has no array ``needs``."""
    try:
        arrays = pack.unpack(payload)
    except (ValueError, TypeError) as error:
        raise DataError("this item holds nothing derived", hint="use only the videos that frames.jsonl lists") from error
    if needs not in arrays:
        raise DataError(f"this item is kept in another coding: it has no {needs}", hint="derived.json says which coding it is")
    return arrays


def placed(numbers: Numbers) -> dict[int, int]:
    """Frame number -> its place among ``numbers``."""
    return {int(number): place for place, number in enumerate(numbers)}


def added(kept: dict[int, Any], numbers: Numbers) -> list[Any]:
    """What was kept of ``numbers``, in their order. Raises ValueError if one is missing."""
    missing = [int(number) for number in numbers if int(number) not in kept]
    if missing:
        raise ValueError(f"frame {missing[0]} was not added")
    return [kept[int(number)] for number in numbers]
