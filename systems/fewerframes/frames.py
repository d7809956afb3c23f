"""Which k frames a student sees (spec 4.4): row numbers, computed when a batch is made, never stored.

Two grids. ``padded`` is the grid of ``size`` (300) rows that a short video fills up with padding: published, and a short video
loses frames. ``real`` are the T frames that the video has. Symbols: T real frames, k frames kept.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError, one_of

Indices = npt.NDArray[np.int64]
GRID = 300
RULES = ("uniform", "steps", "random", "first", "middle", "last", "first-middle-last")
GRIDS = ("padded", "real")


class Kept(NamedTuple):
    """``rows`` int64 (n,) of the grid, increasing, and ``present`` bool (n,): the row is a real frame."""

    rows: Indices
    present: npt.NDArray[np.bool_]


def select(rule: str, k: int, frames: int, *, grid: str = "real", size: int = GRID, seed: int = 0, id: str = "") -> Kept:
    """The rows that ``rule`` keeps of a video of ``frames`` real frames (more than ``size`` count as ``size``).

    On the real grid a video of fewer than k frames gives all of them; its other rows are 0 and not present. ``steps`` is the
    re-implementation's rule, on the padded grid only: see :func:`steps`, it may keep more than k. ``random`` depends on
    (seed, id, k) alone. Raises ConfigError for an unknown rule or grid, or a k outside 1..size.
    """
    _check(rule, k, grid, size)
    frames = min(frames, size)
    choose = partial(random, seed=seed, id=id) if rule == "random" else _RULES[rule]
    if grid == "padded":
        rows = choose(k, size)
        return Kept(rows, rows < frames)
    kept = min(k, frames)
    rows = np.zeros(k, np.int64)
    if kept:
        rows[:kept] = np.arange(kept) if kept == frames else choose(kept, frames)
    return Kept(rows, np.arange(k) < kept)


def effective(rule: str, k: int, size: int = GRID) -> int:
    """How many rows ``rule`` keeps when it is asked for k."""
    return len(steps(k, size)) if rule == "steps" else k


def steps(k: int, size: int = GRID) -> Indices:
    """Z: every j-th row of the padded grid, j = floor(size / k): ceil(size / j) rows, which is k only if k divides size (quirk 1)."""
    return every(size // k, size)


def every(n: int, size: int = GRID) -> Indices:
    """A: every n-th row of the padded grid."""
    return np.arange(0, size, n, dtype=np.int64)


def authors_length(frames: npt.ArrayLike, n: int, size: int = GRID) -> Indices:
    """A: length of the student's sequence, trunc((T / size) floor(size / n)) in float64.

    It is 0 for a video shorter than n, and for n <= 3 sometimes one less than the whole numbers say: rounding, kept.
    """
    return np.trunc(np.asarray(frames, np.float64) / size * (size // n)).astype(np.int64)


def uniform(k: int, frames: int) -> Indices:
    """floor(i T / k)."""
    return np.arange(k, dtype=np.int64) * frames // k


def first(k: int, frames: int) -> Indices:
    """0 .. k-1."""
    return np.arange(k, dtype=np.int64)


def middle(k: int, frames: int) -> Indices:
    """k rows from floor((T - k) / 2) on."""
    return (frames - k) // 2 + np.arange(k, dtype=np.int64)


def last(k: int, frames: int) -> Indices:
    """T-k .. T-1."""
    return frames - k + np.arange(k, dtype=np.int64)


def first_middle_last(k: int, frames: int) -> Indices:
    """A third each; what is left over goes to the first part, then to the middle one. The parts never overlap."""
    third, rest = divmod(k, 3)
    begin, centre = third + (rest > 0), third + (rest > 1)
    start = max((frames - centre) // 2, begin)
    return np.concatenate([first(begin, frames), start + np.arange(centre, dtype=np.int64), last(third, frames)])


def random(k: int, frames: int, seed: int, id: str) -> Indices:
    """A sorted sample without replacement that depends on the video and not on the order of a run."""
    generator = np.random.default_rng([seed, k, zlib.crc32(id.encode("utf-8"))])
    return np.sort(np.argsort(generator.random(frames), kind="stable")[:k]).astype(np.int64)


def with_replacement(draws: npt.ArrayLike, frames: npt.ArrayLike) -> Indices:
    """W: trunc(u T) for uniform ``draws`` u in [0,1) (B,n) and real frames T (B,); float32 as in the original."""
    counts = np.asarray(frames, np.float32)[:, None]
    return (np.asarray(draws, np.float32) * counts).astype(np.int64)


_RULES = {"uniform": uniform, "steps": steps, "first": first, "middle": middle, "last": last, "first-middle-last": first_middle_last}


def _check(rule: str, k: int, grid: str, size: int) -> None:
    one_of("the rule that chooses frames", rule, RULES)
    one_of("grid", grid, GRIDS)
    if not 1 <= k <= size:
        raise ConfigError(f"k must be between 1 and {size}, not {k}")
    if rule == "steps" and grid != "padded":
        raise ConfigError("the rule 'steps' is made for the padded grid", hint="grid: padded, or rule: uniform")
