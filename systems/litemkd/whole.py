"""A network as a whole: from the frames of episodes to their answers. For what it costs, and how long it takes.

An episode has W K + Q clips of T frames, support by class, then queries. The teacher sees every modality, through its experts; what
derives flow or depth from frames is no part of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models import cost
from systems.litemkd.episodes import Shape
from systems.litemkd.model import Student
from systems.litemkd.prepared import by_head, by_single, by_teacher
from systems.litemkd.single import Single


class Whole(nn.Module):
    """Clips (E, W K + Q, T, 3, H, W), of each modality in turn, to logits (E, Q, W)."""

    def __init__(self, network: nn.Module, shape: Shape, sees: Mapping[str, Single] | None = None) -> None:
        """``sees``: the experts of a teacher's modalities, in its order."""
        super().__init__()
        self.network, self.shape, self.experts = network, shape, nn.ModuleList((sees or {}).values())

    def forward(self, *clips: Tensor) -> Tensor:
        shape, (episodes, count) = self.shape, clips[0].shape[:2]
        rows = torch.arange(episodes * count, device=clips[0].device).view(episodes, count)
        support, query = rows.split([shape.way * shape.shot, shape.way * shape.queries], 1)
        flat = [one.flatten(0, 1) for one in clips]
        if isinstance(self.network, Student):
            answers = by_head(self.network.classifier, self.network.prepare(flat[0]))
        elif isinstance(self.network, Single):
            answers = by_single(self.network, self.network.features(flat[0]))
        else:
            answers = by_teacher(self.network, [expert.features(one) for expert, one in zip(self.experts, flat)])
        return answers(support.unflatten(1, (shape.way, shape.shot)), query)

    def example(self, episodes: int, frames: int, sizes: list[int], device: str = "cpu") -> tuple[Tensor, ...]:
        """Clips of so many episodes, one tensor for each picture size: the work does not depend on the values."""
        count = self.shape.way * (self.shape.shot + self.shape.queries)
        return tuple(torch.zeros(episodes, count, frames, 3, size, size, device=device) for size in sizes)

    def parameters_of_all(self) -> int:
        """Numbers of the network, and of what its experts need to see (their heads are no part of it)."""
        return cost.parameters(self.network) + sum(cost.parameters(part) for one in self.experts for part in one.seeing())


def costs(whole: Whole, frames: int, sizes: list[int]) -> dict[str, Any]:
    """Parameters, and FLOPs of an episode; nothing is computed, so it costs no time at any size."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one fused operation that the counter does not know
    try:
        flops = cost.flops(copy.deepcopy(whole).to("meta"), whole.example(1, frames, sizes, "meta"))("")
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return {"parameters": whole.parameters_of_all(), "flops": flops}
