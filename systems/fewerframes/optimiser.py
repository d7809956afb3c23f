"""Adam, clipping and learning rate as the originals run them (spec 7)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


def staircase(rate: float, step: int, *, samples: int, every: float, decay: float) -> float:
    """Learning rate of ``step`` (from 0): multiplied by ``decay`` after every ``every`` samples, ``samples`` of them a step."""
    return rate * decay ** math.floor(step * samples / every)


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], longest: float) -> None:
    """Scale every gradient tensor that is longer than ``longest`` down to it, each on its own (not the global norm)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    norms = torch._foreach_norm(gradients)
    factors = [longest / norm.clamp_min(longest) for norm in norms]
    torch._foreach_mul_(gradients, factors)


class TFAdam(torch.optim.Adam):
    """Adam with epsilon added before the bias correction: w -= rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).

    That is PyTorch's Adam with eps / sqrt(1 - b2^t) in place of eps, so its fused kernel is used. ``clip`` is the longest gradient
    of a tensor (0: any). ``samples``, ``every``, ``decay`` make the rate a staircase of the steps taken (see :func:`staircase`);
    the rate in the parameter group is the one of step 0.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        clip: float = 0.0,
        samples: int = 0,
        every: float = math.inf,
        decay: float = 1.0,
    ) -> None:
        super().__init__(parameters, lr=rate, betas=betas, eps=epsilon, fused=True)
        self.epsilon, self.clip, self.samples, self.every, self.decay = epsilon, clip, samples, every, decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update; gradients are clipped in place first."""
        if closure is not None:
            raise NotImplementedError("TFAdam takes no closure")
        base = []
        for group in self.param_groups:
            if self.clip > 0:
                clip_each(group["params"], self.clip)
            done = self._taken(group)
            base.append(group["lr"])
            group["lr"] = staircase(group["lr"], done, samples=self.samples, every=self.every, decay=self.decay)
            group["eps"] = self.epsilon / math.sqrt(1.0 - group["betas"][1] ** (done + 1))
        result = super().step()
        for group, rate in zip(self.param_groups, base):
            group["lr"] = rate
        return result

    def _taken(self, group: dict[str, Any]) -> int:
        """Steps taken so far, from the state that a checkpoint restores."""
        for parameter in group["params"]:
            state: dict[str, Tensor] = self.state.get(parameter, {})
            if "step" in state:
                return int(state["step"])
        return 0
