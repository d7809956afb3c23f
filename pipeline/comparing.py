"""Two sets of features, video by video: are they the same, and if not, where and by how much?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.names import escape
from stages.imported.ids import RULES

FloatArray = npt.NDArray[np.float32]


class Features(Protocol):
    """Rows by number, and their ids; :class:`stages.imported.rows.Source` is one."""

    @property
    def ids(self) -> list[str]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def row(self, number: int) -> FloatArray: ...


@dataclass(frozen=True)
class Difference:
    """How the rows of one video differ. ``absolute`` max|a-b|; ``relative`` max|a-b| / max|b|; ``cosine`` of the flattened rows.

    ``relative`` is infinite where b is zeros and a is not, and where only one of them is finite; ``cosine`` is then NaN.
    """

    id: str
    absolute: float
    relative: float
    cosine: float


@dataclass(frozen=True)
class Comparison:
    """What came out. ``only_first`` and ``only_second`` are ids that the other set does not have; ``rows`` are in the first's order."""

    rows: tuple[Difference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def worst(self) -> list[Difference]:
        """The rows that differ, most first."""
        return sorted((row for row in self.rows if row.relative > 0), key=lambda row: (-row.relative, -row.absolute))

    @property
    def largest(self) -> float:
        """The largest relative difference; 0 if all rows are equal."""
        return max((row.relative for row in self.rows), default=0.0)

    def agree(self, tolerance: float, *, common: bool = False) -> bool:
        """Whether no row differs by more than ``tolerance`` (relative) and, unless ``common``, both have the same videos."""
        return bool(self.rows) and self.largest <= tolerance and (common or not (self.only_first or self.only_second))


def compare(first: Features, second: Features, bars: Callable[..., Any]) -> Comparison:
    """Compare row by row. Raises DataError if the shapes of the rows differ (a lost axis of one clip does not count)."""
    shapes = [tuple(axis for axis in features.shape if axis != 1) for features in (first, second)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"rows of {list(first.shape)} and of {list(second.shape)} cannot be compared",
            hint="other clips, frames or width: these are different features",
        )
    mine, others = _by_id(first.ids), _by_id(second.ids)
    mine, others = _named_as(others, mine), _named_as(mine, others)
    both = [id for id in mine if id in others]
    rows = []
    with bars("compare", total=len(both)) as bar:
        for id in both:
            rows.append(difference(id, first.row(mine[id]), second.row(others[id])))
            bar.step()
    return Comparison(tuple(rows), tuple(id for id in mine if id not in others), tuple(id for id in others if id not in mine))


def difference(id: str, a: FloatArray, b: FloatArray) -> Difference:
    """The difference of two rows, in double precision."""
    one, other = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        same = np.array_equal(one, other, equal_nan=True)
        return Difference(id, 0.0 if same else math.inf, 0.0 if same else math.inf, math.nan)
    absolute, largest = float(np.abs(one - other).max()), float(np.abs(other).max())
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    cosine = float(one @ other) / norms if norms else math.nan if absolute else 1.0
    return Difference(id, absolute, absolute / largest if largest else math.inf if absolute else 0.0, cosine)


def _by_id(ids: list[str]) -> Mapping[str, int]:
    """Rows by id; 'video12' and 'vid12' are 12 wherever that is nobody else's."""
    for name in ("prefix", "exact"):
        rule = RULES[name](ids)
        found = {rule(id): row for row, id in enumerate(ids)}
        if len(found) == len(ids):
            return found
    raise DataError("an id occurs twice in one of the files", hint="kdpipe import-features FILE --dry-run names it")


def _named_as(known: Mapping[str, int], rows: Mapping[str, int]) -> Mapping[str, int]:
    """The rows with escaped ids (names of npy files) under the ids of the other side that they were made from."""
    names = {escape(id): id for id in known if id and id not in rows}
    return {id if id in known else names.get(id, id): row for id, row in rows.items()}


class Opened(AbstractContextManager["Opened"]):
    """The rows of a result in the store, as :class:`Features`."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.ids: list[str] = reader.ids
        self.shape: tuple[int, ...] = reader.shape

    def row(self, number: int) -> FloatArray:
        """One row, through its checksum."""
        row: FloatArray = self._reader.row(self.ids[number])
        return row

    def __exit__(self, *exc: object) -> None:
        self._reader.close()


def plain(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """The rows for JSON: null stands for what is no number."""
    for row in comparison.rows:
        yield {
            "id": row.id,
            **{name: value if math.isfinite(value := getattr(row, name)) else None for name in ("absolute", "relative", "cosine")},
        }
