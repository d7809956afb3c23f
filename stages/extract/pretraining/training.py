"""Train a small network on labels of a drawn world: binary cross-entropy through one linear layer on the pooled feature."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.people2d import FLOOR, POWER
from stages.extract.pretraining.data import Batch
from stages.extract.pretraining.labels import ACTOR_GROUPS

LOG = logging.getLogger(__name__)

Sampler = Callable[[np.random.Generator, int], Batch]
FloatArray = npt.NDArray[np.float32]

JOINTS = 17
#: added around an actor's keypoints, in parts of the picture
MARGIN = 0.05
LOSS_WEIGHTS = {"picture": 0.3, "actor": 1.0, "held": 1.0, "action": 1.0, "pose": 30.0}


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW at ``rate``, linear warm-up over 5 % of ``steps``, then a cosine to zero. ``half``: the network computes in
    bfloat16, which processors that have it do about twice as fast."""

    steps: int
    batch: int
    rate: float
    seed: int
    half: bool = False


class Heads(nn.Module):
    """What the network is asked in training, thrown away afterwards.

    The pooled feature says what the picture shows (binary labels). The map under each actor says who that actor is, what they
    wear, hold and do (one answer per group), and how their joints lie and move: that teaches small and fast things soonest. The answers
    are read off the same generalised mean as the feature, so that what one cell shows (a cup in a hand) counts in both.
    """

    def __init__(self, width: int, prior: FloatArray, classes: Sequence[int]) -> None:
        super().__init__()
        self.picture = nn.Linear(width, len(prior))
        nn.init.zeros_(self.picture.weight)
        with torch.no_grad():
            self.picture.bias.copy_(torch.logit(torch.from_numpy(prior), eps=1e-4))
        self.actor = nn.ModuleList(nn.Linear(width, n) for n in classes)
        self.pose = nn.Linear(width, 2 * JOINTS * 2)

    def forward(self, pooled: Tensor, last: Tensor, data: Batch, scale: Tensor) -> dict[str, Tensor]:
        """The losses by name. ``pooled`` (B, D), ``last`` the map; ``scale`` (labels,) weighs the picture's labels."""
        points = torch.from_numpy(data.points)
        steps = last.shape[2] if last.dim() == 5 else 1
        owner, where = torch.from_numpy(data.owner), boxes(points)
        under = pool_boxes(last, owner, where)
        shown = pool_boxes((last + FLOOR).pow(POWER), owner, where).mean(1)
        shown = shown.clamp_min(FLOOR**POWER).pow(1 / POWER)  # 0: somebody out of the picture
        each = F.binary_cross_entropy_with_logits(self.picture(pooled), torch.from_numpy(data.targets), reduction="none")
        classes = torch.from_numpy(data.classes)
        actor = [F.cross_entropy(head(shown), classes[:, i], ignore_index=-100) for i, head in enumerate(self.actor)]
        return {
            "picture": (each * scale).sum(1).mean(),
            "actor": torch.stack(actor).sum(),
            "held": actor[ACTOR_GROUPS.index("held")],
            "action": actor[ACTOR_GROUPS.index("action")],
            "pose": F.smooth_l1_loss(self.pose(under), pose(points, steps), beta=0.05),
        }


def train(
    net: nn.Module, width: int, prior: FloatArray, classes: Sequence[int], sample: Sampler, weights: FloatArray, recipe: Recipe
) -> nn.Module:
    """Train ``net`` on batches of ``sample(rng, batch)``; returns it in evaluation mode, the heads left out.

    ``prior`` (labels,) is the share of positives of the picture's labels, ``weights`` (labels,) weigh them; ``classes`` are the
    numbers of classes of the actors' groups.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    heads = Heads(width, prior, classes)
    parameters = [p for p in (*net.parameters(), *heads.parameters()) if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=0.05)
    warm = max(1, recipe.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, recipe.steps - warm)))
    )
    scale = torch.from_numpy(weights)
    net.train()
    began, means = time.monotonic(), dict.fromkeys(LOSS_WEIGHTS, 0.0)
    for step in range(1, recipe.steps + 1):
        data = sample(rng, recipe.batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.half):
            last = net.forward_features(data.inputs).float()
        losses = heads(net.pool(last), last, data, scale)
        loss = torch.stack([LOSS_WEIGHTS[name] * value for name, value in losses.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        for name, value in losses.items():
            means[name] += (float(value.detach()) - means[name]) * max(0.02, 1 / step)
        if step % 100 == 0 or step == recipe.steps:
            told = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            LOG.info("step %d of %d: %s, %.0f s", step, recipe.steps, told, time.monotonic() - began)
    return net.eval()


def boxes(points: Tensor) -> Tensor:
    """Boxes (M, T, 4) as x0, y0, x1, y1 around keypoints (M, T, 17, 2), with a margin for head, hands and feet."""
    return torch.cat([points.amin(2) - MARGIN, points.amax(2) + MARGIN], -1).clamp(0, 1)


def pose(points: Tensor, steps: int) -> Tensor:
    """How joints lie and move in each of ``steps`` parts of the clip: (M, steps, 68).

    Keypoints relative to their middle in units of the actor's height, then their movement within the part, in the same units.
    """
    parts = points.unflatten(1, (steps, -1))
    height = (points[..., 1].amax((1, 2)) - points[..., 1].amin((1, 2))).clamp_min(0.1).reshape(-1, 1, 1, 1)
    lie = parts.mean(2)
    move = parts[:, :, -1] - parts[:, :, 0]
    return torch.cat([((lie - lie.mean(2, keepdim=True)) / height).flatten(2), (move / height).flatten(2)], -1)


def pool_boxes(last: Tensor, owner: Tensor, where: Tensor) -> Tensor:
    """Mean of the map (B, D, [T',] H, W) under each box, step by step: (M, T', D). ``where`` (M, T, 4) in parts of the picture."""
    if last.dim() == 4:
        last = last.unsqueeze(2)
    steps, height, width = last.shape[2:]
    where = where.unflatten(1, (steps, -1)).mean(2)
    x0, y0, x1, y1 = where.unbind(-1)
    inside = _overlap(y0, y1, height).unsqueeze(-1) * _overlap(x0, x1, width).unsqueeze(-2)
    inside = inside / inside.sum((2, 3), keepdim=True).clamp_min(1e-6)
    return torch.einsum("mdthw,mthw->mtd", last[owner], inside)


def _overlap(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Length of ``low``..``high`` (M, T) inside each of ``cells`` equal parts of 0..1: (M, T, cells)."""
    edges = torch.arange(cells + 1) / cells
    return (torch.minimum(high.unsqueeze(-1), edges[1:]) - torch.maximum(low.unsqueeze(-1), edges[:-1])).clamp_min(0)
