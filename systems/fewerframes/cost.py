"""What a network costs per video (:mod:`models.cost`)."""

from __future__ import annotations

import torch
from torch import Tensor

from models import cost
from systems.fewerframes.trained import Network


def example(network: Network, videos: int = 1) -> tuple[Tensor, Tensor]:
    """Inputs of ``videos`` videos that fill the network's view: the work does not depend on the values."""
    arguments = network.about["arguments"]
    width = arguments["width"] if "width" in arguments else sum(arguments["feature_sizes"])
    device = next(network.model.parameters()).device
    count = network.view.count
    return torch.zeros(videos, count, width, device=device), torch.ones(videos, count, dtype=torch.bool, device=device)


def of_video(network: Network) -> dict[str, int]:
    """Parameters, FLOPs and frames of one video."""
    flops = cost.flops(network.model, example(network))("")
    return {"parameters": cost.parameters(network.model), "flops": flops, "frames": network.view.count}
