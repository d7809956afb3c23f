"""Memory for maps that is used again: a step of training asks for the same sizes as the step before.

Large blocks that are freed go back to the system, and fetching them again, page by page, takes a fifth of a ResNet's step on a CPU.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor


class Buffers:
    """Maps (N, C, H, W) float32, channels last, from memory that was given back, or new one."""

    def __init__(self) -> None:
        self._free: list[tuple[int, int, torch.UntypedStorage]] = []  # bytes, a number that tells them apart
        self._given = 0
        self.made = 0
        """Bytes that were asked of the system."""

    @property
    def free(self) -> int:
        """Bytes that wait for a map."""
        return sum(size for size, _, _ in self._free)

    def __deepcopy__(self, memo: object) -> Buffers:
        return Buffers()

    def take(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """A map of any content; of the smallest memory that is large enough and not over a quarter too large."""
        n, channels, height, width = shape
        size = prod(shape) * dtype.itemsize
        place = bisect_left(self._free, (size,))
        if place < len(self._free) and self._free[place][0] <= size * 5 // 4:
            storage = self._free.pop(place)[2]
        else:
            storage = torch.UntypedStorage(size)
            self.made += size
        strides = (height * width * channels, 1, width * channels, channels)
        return torch.empty(0, dtype=dtype).set_(storage, 0, (n, channels, height, width), strides)  # type: ignore[call-overload, no-any-return]

    def give(self, *maps: Tensor | None) -> None:
        """Take memory back; nobody may look at these maps any more."""
        for each in maps:
            if each is not None:
                self._given += 1
                storage = each.untyped_storage()
                insort(self._free, (storage.nbytes(), self._given, storage))
