"""What a network costs per video: parameters, and arithmetic as torch counts it while the network runs.

One multiply-add counts as two FLOPs. Products are counted, element-wise work is not, as is usual.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from systems.fewerframes.checkpoint import Network


def parameters(model: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def example(network: Network, videos: int = 1) -> tuple[Tensor, Tensor]:
    """Inputs of ``videos`` videos that fill the network's view: the work does not depend on the values."""
    arguments = network.about["arguments"]
    width = arguments["width"] if "width" in arguments else sum(arguments["feature_sizes"])
    device = next(network.model.parameters()).device
    count = network.view.count
    return torch.zeros(videos, count, width, device=device), torch.ones(videos, count, dtype=torch.bool, device=device)


@torch.no_grad()
def flops(network: Network) -> int:
    """FLOPs of one video."""
    counter = FlopCounterMode(display=False)
    with counter:
        network.model(*example(network))
    return int(counter.get_total_flops())
