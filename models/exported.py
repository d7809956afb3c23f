"""A trained network on its way out: how a system declares it, and what it says of it. It needs no torch.

``systems/<system>/export.py`` declares ``EXPORTS``, one :class:`Export` for each kind of network that can leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cache.stage import Stage

if TYPE_CHECKING:
    from cache.items import ItemSet

Array = npt.NDArray[Any]
#: Arrays by the names of a network's inputs, or of its outputs.
Feed = Mapping[str, Array]
#: A network that was exported, or the one of the store: inputs to outputs.
Run = Callable[[Feed], Mapping[str, Array]]


@dataclass(frozen=True)
class Port:
    """An input or output: its dtype as numpy calls it, its axes (a number, or the name of one that may have any length), what it holds."""

    name: str
    dtype: str
    axes: tuple[int | str, ...]
    what: str


@dataclass(frozen=True)
class Export:
    """How networks of some stages leave.

    entry:   ``"package.module:function"``; ``function(found: Found) -> Exportable``; imported when a network leaves.
    stages:  the stages whose networks these are.
    network: the beginning of the node that is meant if nobody names one, ``"student.kd"``.
    reads:   those inputs of the network, or else of the evaluation, whose rows test it.
    streams: what the evaluation calls them, as in :class:`models.prediction.Prediction`.
    """

    entry: str
    stages: tuple[Stage, ...]
    network: str
    reads: tuple[str, ...]
    streams: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A network in the store: directories of its artifact and of what it ``reads``, the rows there, and parameters by name of stage."""

    network: Path
    inputs: Mapping[str, Path]
    items: Mapping[str, ItemSet] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """What a network is scored by on the test split: what the score is called, and what computes it of a network, as a fraction."""

    name: str
    of: Callable[[Run], float]


@dataclass(frozen=True)
class Exportable:
    """A network as it leaves.

    module:    an ``nn.Module``: arrays in the order of ``inputs`` to a tuple in the order of ``outputs``. No number that it computes
               decides what it does. The trained network is its attribute ``network``.
    rows:      real inputs from the store, in batches of at least two sizes.
    reference: the network as the pipeline asks it.
    about:     what a reader of ``model.json`` has to know: how inputs are made, what outputs mean, words and classes, how it is built.
    script:    the module whose text becomes ``predict.py``.
    arrays:    constants that this script needs, too large for ``model.json``.
    tolerance: how far the exported network may be from the reference, as :func:`apart` measures it.
    asks_len:  its code takes ``len`` of a batch, which only the slower way to capture it leaves open.
    """

    module: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    rows: Sequence[Feed]
    reference: Run
    about: Mapping[str, Any]
    script: str
    measure: Measure
    arrays: Mapping[str, Array] = field(default_factory=dict)
    tolerance: float = 1e-4
    asks_len: bool = False


def around(count: int, sizes: Sequence[int]) -> list[list[int]]:
    """Batches of these sizes of ``count`` rows, one after the other; after the last row comes the first again."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [[(start + place) % count for place in range(size)] for start, size in zip(starts, sizes)]


def in_lots(count: int, size: int) -> list[list[int]]:
    """All of ``count`` rows in batches of one size; the last one may be smaller."""
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]


def apart(given: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    """The largest difference of any number of ``given``, relative to the largest number of that output; infinite where shapes differ
    or a number is none."""
    worst = 0.0
    for name, right in wanted.items():
        left = given.get(name)
        if left is None or left.shape != right.shape or not np.isfinite(left).all():
            return float("inf")
        if right.size:
            scale = float(np.abs(right).max()) or 1.0
            worst = max(worst, float(np.abs(left.astype(np.float64) - right).max()) / scale)
    return worst
