"""What a recognition network costs at test: its parameters without any CVAE, and the arithmetic of one clip."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor, nn

from models import cost
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.trained import Network


class Tested(nn.Module):
    """A network as it is tested: clips (B, C, T, S, S) to logits."""

    def __init__(self, model: Recogniser, *, weighted: bool) -> None:
        super().__init__()
        self.model, self.weighted = model, weighted

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (B, K, T)."""
        return self.model(clips, weighted=self.weighted)

    def example(self, clips: int, device: str = "cpu") -> tuple[Tensor]:
        """So many clips: the work does not depend on the values."""
        net = self.model
        channels = net.backbone.net.get_submodule(net.backbone.net.endpoints[0]).conv3d.in_channels
        return (torch.zeros(clips, int(channels), net.frames, net.size, net.size, device=device),)  # type: ignore[arg-type]


def costs(network: Network) -> dict[str, int]:
    """Parameters that are used, and FLOPs of a clip; nothing is computed, so it costs no time at any size."""
    net = network.model
    used = net if network.weighted else net.backbone
    tested = Tested(copy.deepcopy(net).to("meta"), weighted=network.weighted)
    return {"parameters": cost.parameters(used), "flops": cost.flops(tested, tested.example(1, "meta"))("")}


def load(network: Network, device: str) -> tuple[nn.Module, partial[tuple[Tensor]]]:
    """What the timing needs of a network."""
    tested = Tested(network.model, weighted=network.weighted)
    return tested, partial(tested.example, device=device)
