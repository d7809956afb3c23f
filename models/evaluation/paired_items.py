"""Two networks on the same items: the mean difference with its bootstrap interval, and McNemar's test of right and wrong."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

#: Of every bootstrap: how often the items are drawn, and the seed with which.
DRAWS, SEED = 10_000, 0


@dataclass(frozen=True)
class Bootstrap:
    """A mean over ``items`` items with the percentile interval ``low`` to ``high``; ``groups`` were drawn, each with all of its items."""

    mean: float
    low: float
    high: float
    items: int
    groups: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def bootstrap(differences: Sequence[float], groups: Sequence[Hashable] | None = None, *, level: float = 0.95) -> Bootstrap:
    """Paired bootstrap of the mean of ``differences``, one an item (Efron and Tibshirani, 1993, section 13.3: percentiles).

    Items of one group (questions about one video) are no independent samples: groups are drawn with replacement, each whole, and the
    mean is over the items drawn. Without ``groups`` each item is its own. There are :data:`DRAWS` draws with the seed :data:`SEED`, so
    the same items in any order give the same interval. Raises ValueError if there is no item, or if not every item has a group.
    """
    if not len(differences):
        raise ValueError("there is no item to draw from")
    if groups is not None and len(groups) != len(differences):
        raise ValueError(f"{len(differences)} items have {len(groups)} groups")
    sums: dict[Hashable, list[float]] = {}
    for group, value in zip(range(len(differences)) if groups is None else groups, differences):
        sums.setdefault(group, []).append(float(value))
    # drawing groups is drawing how many of each kind: groups with the same sum and size are alike, and there are few kinds
    kinds, counts = np.unique([(sum(sorted(values)), len(values)) for values in sums.values()], axis=0, return_counts=True)
    drawn = np.random.default_rng(SEED).multinomial(len(sums), counts / len(sums), size=DRAWS)
    means = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    mean = float(counts @ kinds[:, 0]) / len(differences)
    return Bootstrap(mean, float(low), float(high), len(differences), len(sums))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test: so many items only the first has right, so many only the second (binomial, p = 1/2).

    It takes items for independent samples. 1 if there is no such item.
    """
    from scipy.special import bdtr

    total = only_first + only_second
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), total, 0.5))) if total else 1.0
