"""The numbers in a parity case's network.

A case stores no weights, only the name and shape of every state entry and a seed; both sides draw the numbers from
(seed, crc32 of the name), so an entry does not depend on which others exist or in what order they come. The scales
keep activations in range: matrices get 1/sqrt(fan in), gains stay near 1, biases and means near 0, variances above 1.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

GAINS = ("weight", "gamma", "scale")
#: Numbers that are drawn and scaled at a time: they stay in the processor's cache.
PIECE = 1 << 15


def fill(name: str, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Return one state entry: float32, or int64 zeros for ``num_batches_tracked``."""
    dims = tuple(map(int, shape))
    leaf = name.split(".")[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(dims, dtype=np.int64)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8"))])
    filled = np.empty(dims, dtype=np.float32)
    entries = filled.reshape(-1)
    for begin in range(0, entries.size, PIECE):
        piece = entries[begin : begin + PIECE]
        piece[:] = scaled(generator.standard_normal(piece.size), leaf, dims)
    return filled


def scaled(draw: np.ndarray, leaf: str, dims: Sequence[int]) -> np.ndarray:
    """Normal numbers brought into the range of their kind of entry."""
    if leaf == "running_var":
        return 1.0 + 0.2 * np.abs(draw)
    if leaf == "running_mean":
        return 0.1 * draw
    if len(dims) > 1:
        return draw / np.sqrt(math.prod(dims[1:]) or 1)
    if leaf in GAINS:
        return 1.0 + 0.1 * draw
    return 0.1 * draw


def fill_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, np.ndarray]:
    """Return name -> array for every entry of ``shapes``."""
    return {name: fill(name, shape, seed) for name, shape in shapes.items()}
