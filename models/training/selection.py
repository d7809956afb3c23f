"""Which epoch's weights are kept, and when there is no point in going on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cache.errors import ConfigError, nearest

Curves = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Selection:
    """Keep the first epoch with the highest ``by`` on the validation split; without ``by``, the last epoch.

    by:       name of a number that ``Task.validate`` returns, or "": nothing is compared and nothing copied.
    smallest: the lowest value is the best one.
    patience: stop after so many epochs without a better one; 0 never stops early.
    """

    by: str = ""
    smallest: bool = False
    patience: int = 0

    def best(self, curves: Curves) -> int:
        """Place of the best record, -1 if none was validated. Raises ConfigError if ``by`` is not what the validation measures."""
        if not self.by:
            return len(curves) - 1
        values = {place: record[f"val_{self.by}"] for place, record in enumerate(curves) if f"val_{self.by}" in record}
        measured = {name.removeprefix("val_") for record in curves for name in record if name.startswith("val_")}
        if measured and not values:
            raise ConfigError(f"the validation measures no {self.by!r} to select an epoch by", hint=nearest(self.by, measured))
        return (min if self.smallest else max)(values, key=values.__getitem__, default=-1)

    def ended(self, curves: Curves) -> bool:
        """Whether patience is out."""
        best = self.best(curves)
        return self.patience > 0 and best >= 0 and len(curves) - 1 - best >= self.patience


LAST = Selection()
