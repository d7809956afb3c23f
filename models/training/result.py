"""What a training ends with."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Result:
    """The kept weights (on the CPU), the epoch they are of (from 0), one record an epoch, the number that selected it ("": it is the last).

    ``unrepeatable`` names the operations that may have made other last bits than another run would.
    """

    weights: dict[str, Tensor]
    epoch: int
    curves: list[dict[str, float]]
    selected_by: str = ""
    unrepeatable: list[str] = field(default_factory=list)

    @property
    def value(self) -> float | None:
        """The number that selected the epoch, None if it is the last one."""
        return self.curves[self.epoch][f"val_{self.selected_by}"] if self.selected_by else None
