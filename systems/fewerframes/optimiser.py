"""Adam as the originals run it (spec 7)."""

from __future__ import annotations

import math
from typing import Any

import torch


class TFAdam(torch.optim.Adam):
    """Adam with epsilon added before the bias correction: w -= rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).

    That is PyTorch's Adam with eps / sqrt(1 - b2^t) in place of eps, so its fused kernel is used. t counts the steps of a group.
    """

    def __init__(self, groups: Any, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8, **more: Any) -> None:
        super().__init__(groups, betas=betas, eps=epsilon, fused=True, **more)
        self.epsilon = epsilon

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update."""
        for group in self.param_groups:
            group["taken"] = group.get("taken", 0) + 1  # a checkpoint holds it, as all of the group
            group["eps"] = self.epsilon / math.sqrt(1.0 - group["betas"][1] ** group["taken"])
        return super().step(closure)
