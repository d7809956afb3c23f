"""How fast the running statistics of batch normalisation follow the batches. I3D is published with 0.01, which lags in short trainings."""

from __future__ import annotations

from torch import nn


def follow(network: nn.Module, share: float) -> None:
    """Every batch makes up ``share`` of the running statistics from now on."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = share
