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
from torch import Tensor, nn

from stages.extract.pretraining.data import Batch

LOG = logging.getLogger(__name__)

Sampler = Callable[[np.random.Generator, int], Batch]
FloatArray = npt.NDArray[np.float32]


def train(
    net: nn.Module,
    width: int,
    prior: FloatArray,
    sample: Sampler,
    *,
    steps: int,
    batch: int,
    rate: float,
    weights: FloatArray,
    seed: int,
) -> nn.Module:
    """Train ``net`` for ``steps`` batches of ``sample(rng, batch)``; returns it in evaluation mode, the heads left out.

    Two linear heads: one on the pooled feature says what the picture shows, one on the map under each actor says what that actor
    is and does, which teaches small things fast. ``prior`` (labels,) is the share of positives, where the heads start;
    ``weights`` (labels,) weigh the labels. AdamW, linear warm-up over 5 % of the steps, then a cosine to zero.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    heads = nn.ModuleList(nn.Linear(width, len(prior)) for _ in range(2))
    for head in heads:
        nn.init.zeros_(head.weight)
        with torch.no_grad():
            head.bias.copy_(torch.logit(torch.from_numpy(prior), eps=1e-4))
    parameters = [*net.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.02)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, steps - warm)))
    )
    scale = torch.from_numpy(weights)
    net.train()
    began, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        data = sample(rng, batch)
        last = net.forward_features(torch.from_numpy(data.inputs))
        under = pool_boxes(last, torch.from_numpy(data.owner), torch.from_numpy(data.boxes))
        loss = _loss(heads[0](net.pool(last)), data.targets, scale) + _loss(heads[1](under), data.actor_targets, scale)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        mean += (float(loss.detach()) - mean) * max(0.01, 1 / step)
        if step % 100 == 0 or step == steps:
            LOG.info("step %d of %d, loss %.3f, %.0f s", step, steps, mean, time.monotonic() - began)
    return net.eval()


def _loss(logits: Tensor, targets: FloatArray, scale: Tensor) -> Tensor:
    return (F.binary_cross_entropy_with_logits(logits, torch.from_numpy(targets), reduction="none") * scale).sum(1).mean()


def pool_boxes(last: Tensor, owner: Tensor, boxes: Tensor) -> Tensor:
    """Mean of the map (B, D, [T',] H, W) under each box: (M, D). ``boxes`` (M, T, 4) are in parts of the picture; T becomes T'."""
    if last.dim() == 4:
        last = last.unsqueeze(2)
    steps, height, width = last.shape[2:]
    boxes = boxes.unflatten(1, (steps, -1)).mean(2)
    x0, y0, x1, y1 = boxes.unbind(-1)
    rows, columns = _overlap(y0, y1, height), _overlap(x0, x1, width)
    inside = rows.unsqueeze(-1) * columns.unsqueeze(-2)
    inside = inside / inside.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)
    return torch.einsum("mdthw,mthw->md", last[owner], inside)


def _overlap(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Length of ``low``..``high`` (M, T) inside each of ``cells`` equal parts of 0..1: (M, T, cells)."""
    edges = torch.arange(cells + 1) / cells
    return (torch.minimum(high.unsqueeze(-1), edges[1:]) - torch.maximum(low.unsqueeze(-1), edges[:-1])).clamp_min(0)
