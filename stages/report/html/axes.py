"""Where numbers stand on an axis, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Ticks of a linear axis are these, times a power of ten.
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """An axis from ``low`` to ``high``; if it is logarithmic, both are positive."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def over(cls, values: Sequence[float], *, logarithmic: bool = False, margin: float = 0.0) -> Axis:
        """The axis that shows all ``values`` (a logarithmic one: the positive ones), with a margin in parts of its length."""
        shown = [value for value in values if value > 0] if logarithmic else list(values)
        low, high = (min(shown), max(shown)) if shown else (1.0, 10.0)
        if logarithmic:
            low, high = math.log10(low), math.log10(high)
        if low == high:
            low, high = low - 0.5, high + 0.5
        wide = margin * (high - low)
        low, high = low - wide, high + wide
        return cls(10**low, 10**high, True) if logarithmic else cls(low, high)

    def place(self, value: float) -> float:
        """Where a value stands, 0 at ``low`` and 1 at ``high``; what lies beyond an end stands at it."""
        if not self.logarithmic:
            part = (value - self.low) / (self.high - self.low)
        else:
            part = math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else 0.0
        return min(1.0, max(0.0, part))

    def ticks(self, most: int = 6, *, whole: bool = False) -> list[float]:
        """Round numbers within the axis, about ``most``; of a logarithmic one powers of ten, if it spans some. ``whole``: no fractions."""
        if self.logarithmic:
            powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            if len(powers) > 1:
                return [10.0**power for power in powers[:: -(-len(powers) // most)]]
        size = (self.high - self.low) / most
        power = 10 ** math.floor(math.log10(size))
        step = next(s * power for s in STEPS if s * power >= size * (1 - 1e-9))
        step = float(max(1, math.ceil(step))) if whole else step
        first = math.ceil(self.low / step - 1e-9)
        return [n * step for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    """A tick as text: short, without the noise of floats."""
    return f"{value:.6g}".replace("-", "−")
