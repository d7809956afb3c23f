"""Adam as the originals run it (spec 7)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from systems.fewerframes.outer import keep_factors, take_factors


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
        self._count()
        return super().step(closure)

    def _count(self) -> None:
        for group in self.param_groups:
            group["taken"] = group.get("taken", 0) + 1  # a checkpoint holds it, as all of the group
            group["eps"] = self.epsilon / math.sqrt(1.0 - group["betas"][1] ** group["taken"])


class ClippedTFAdam(TFAdam):
    """The same Adam, which clips as it moves: every gradient, on its own, to at most ``longest``.

    A gradient is read for its norm and for the step, and not written in between. Those of :func:`outer.product` are there in parts only.
    Its state is that of :class:`TFAdam`.
    """

    def __init__(self, groups: Any, *, longest: float, **more: Any) -> None:
        super().__init__(groups, **more)
        self.longest = longest
        for group in self.param_groups:
            keep_factors(group["params"])

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, also those that are factors."""
        super().zero_grad(set_to_none)
        for group in self.param_groups:
            for parameter in group["params"]:
                take_factors(parameter)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update of every parameter that has a gradient or factors of one."""
        found = None if closure is None else torch.enable_grad()(closure)()
        self._count()
        for group in self.param_groups:
            for parameter in group["params"]:
                factors = take_factors(parameter)
                if factors is not None and parameter.grad is not None:
                    raise RuntimeError("a parameter has a gradient beside the factors of another one")
                if factors is not None:
                    self._move(group, parameter, factors.norm(), factors.parts())
                elif parameter.grad is not None:
                    self._move(group, parameter, parameter.grad.norm(), [(slice(None), parameter.grad)])
        return found

    def _move(self, group: dict[str, Any], parameter: nn.Parameter, norm: Tensor, parts: Iterable[tuple[slice, Tensor]]) -> None:
        own = self.state[parameter]
        if not own:
            own["step"] = torch.zeros((), device=parameter.device)
            own |= {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        own["step"] += 1
        beta1, beta2 = group["betas"]
        how = {name: group[name] for name in ("lr", "weight_decay", "eps", "amsgrad", "maximize")}
        how |= {"beta1": beta1, "beta2": beta2, "grad_scale": (norm / self.longest).clamp_min(1.0)}
        for here, gradient in parts:
            moved = ([each[here]] for each in (own["exp_avg"], own["exp_avg_sq"]))
            torch._fused_adam_([parameter[here]], [gradient], *moved, [], [own["step"]], **how)
