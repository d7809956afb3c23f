"""A dense layer as the original keeps it: ``weights`` (in, out), ``biases`` (out)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from systems.fewerframes.initial import variance_scaling

Initialiser = Callable[[Tensor], Tensor]


class Dense(nn.Module):
    """y = x W (+ b). Names and shapes are those of the published checkpoints, so that these are read as they are."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, initialise: Initialiser = variance_scaling) -> None:
        super().__init__()
        self.weights = nn.Parameter(initialise(torch.empty(inputs, outputs)))
        self.biases = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        if self.biases is None:
            return x @ self.weights
        rows = torch.addmm(self.biases, x.reshape(-1, x.shape[-1]), self.weights)
        return rows.view(*x.shape[:-1], -1)
