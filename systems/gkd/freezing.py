"""Parts of a network that do not learn for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients of what is computed inside pass through ``module`` to its inputs, and leave none in its parameters."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def kept_statistics(module: nn.Module) -> Iterator[None]:
    """Batch normalisation inside uses the batch's statistics as its mode says, and leaves the running ones as they are."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training and part.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
