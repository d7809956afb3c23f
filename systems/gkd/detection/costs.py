"""What a detection network costs at test: its parameters without any CVAE, and the arithmetic of one window."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from models import cost
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.trained import Network

#: parts that are used only where maps are weighted
ATTENTION = ("deconv1", "deconv2", "Att_Head_4f", "Att_Head_5c")


class Tested(nn.Module):
    """A network as it is tested: clips (B, C, T, S, S) to coarse and refined classes."""

    def __init__(self, model: Detector, *, weighted: bool) -> None:
        super().__init__()
        self.model, self.weighted = model, weighted

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, N, K), coarse and refined."""
        found = self.model(clips, weighted=self.weighted)
        return found.conf, found.prop_conf

    def example(self, clips: int, device: str = "cpu") -> tuple[Tensor]:
        """So many windows: the work does not depend on the values."""
        shape = self.model.shape
        return (torch.zeros(clips, shape.channels, shape.frames, shape.crop, shape.crop, device=device),)


def costs(network: Network) -> dict[str, int]:
    """Parameters that are used, and FLOPs of a window, counted while one runs."""
    tested = Tested(network.model, weighted=network.weighted)
    parts = [part for name, part in network.model.named_children() if network.weighted or name not in ATTENTION]
    device = str(next(network.model.parameters()).device)
    return {
        "parameters": sum(cost.parameters(part) for part in parts),
        "flops": cost.flops(tested, tested.example(1, device))(""),
    }


def load(network: Network, device: str) -> tuple[nn.Module, partial[tuple[Tensor]]]:
    """What the timing needs of a network."""
    tested = Tested(network.model, weighted=network.weighted)
    return tested, partial(tested.example, device=device)
