"""Train a small network on labels of a drawn world: binary cross-entropy through one linear layer on the pooled feature."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

LOG = logging.getLogger(__name__)

Sampler = Callable[[np.random.Generator, int], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


def train(
    net: nn.Module,
    width: int,
    labels: int,
    sample: Sampler,
    *,
    steps: int,
    batch: int,
    rate: float,
    weights: npt.NDArray[np.float32],
    seed: int,
) -> nn.Module:
    """Train ``net`` for ``steps`` batches of ``sample(rng, batch)`` -> (inputs, targets); returns it with the head left out.

    ``weights`` (labels,) weigh the labels in the loss. AdamW, linear warm-up over 5 % of the steps, then a cosine to zero.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = nn.Linear(width, labels)
    parameters = [*net.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.02)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, steps - warm)))
    )
    scale = torch.from_numpy(weights)
    net.train()
    began, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        inputs, targets = sample(rng, batch)
        loss = (
            (
                F.binary_cross_entropy_with_logits(head(net.feature(torch.from_numpy(inputs))), torch.from_numpy(targets), reduction="none")
                * scale
            )
            .sum(1)
            .mean()
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        mean += (float(loss.detach()) - mean) * max(0.01, 1 / step)
        if step % 100 == 0 or step == steps:
            LOG.info("step %d of %d, loss %.3f, %.0f s", step, steps, mean, time.monotonic() - began)
    return net.eval()
