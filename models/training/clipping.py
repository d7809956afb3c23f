"""How long a gradient may be: of each tensor on its own, or of several together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

Clip = Callable[[Sequence[nn.Parameter]], None]


def total_norm(longest: float) -> Clip:
    """Scale all gradients by one factor, so that their norm together is at most ``longest``; of a group, or of a whole update."""

    def clip(parameters: Sequence[nn.Parameter]) -> None:
        norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        if norm.device.type == "cpu" and norm + 1e-6 <= longest:
            return  # the factor is 1, and a pass over all gradients to multiply by it is not free
        nn.utils.clip_grads_with_norm_(parameters, longest, norm)

    return clip


def each_tensor(longest: float, *, epsilon: float = 0.0) -> Clip:
    """Scale every gradient tensor by min(1, longest / (norm + epsilon)), each on its own."""

    @torch.no_grad()
    def clip(parameters: Sequence[nn.Parameter]) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            norms = torch._foreach_norm(gradients)
            torch._foreach_mul_(gradients, [(longest / (norm + epsilon)).clamp_max(1.0) for norm in norms])

    return clip
