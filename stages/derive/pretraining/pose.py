"""Train small-pose on drawn pictures against the joints that were drawn, and say how well it does on others."""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from models.experts.small_pose import JOINTS, SmallPose
from models.experts.small_pose_people import network_input, people_of
from stages.derive.pretraining.pose_data import LEAST_SEEN, Drawn, Targets, draw_world, sample

LOG = logging.getLogger(__name__)
HELP = "small-pose: people and their joints in a frame, against the truth of the drawing"

#: worlds to train on and to measure on: of no demo, no test
TRAIN_SEED, TEST_SEED = 1200, 2200
OFFSET_WEIGHT = 4.0
#: how near a joint must be, in parts of the larger side of the box around the person's joints
NEAR = 0.1

Floats = npt.NDArray[np.float32]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen; the defaults made the shipped weights."""
    parser.add_argument("--videos", type=int, default=1500, help="drawn films to train on")
    parser.add_argument("--frames", type=int, default=6, help="pictures of each")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")


def make(options: argparse.Namespace) -> dict[str, Any]:
    """Train, write ``small-pose_world.safetensors`` (float16), return the report."""
    began = time.monotonic()
    drawn = draw_world(TRAIN_SEED, options.videos, options.frames)
    LOG.info("%d pictures of %d films, drawn in %.0f s", len(drawn.pictures), options.videos, time.monotonic() - began)
    test = draw_world(TEST_SEED, 100, 4)
    torch.manual_seed(options.seed)
    net = SmallPose()
    path = options.out / "small-pose_world.safetensors"

    def look() -> None:
        save_file(kept(net), path)
        LOG.info("%s", json.dumps(measure(net, test, drawn)))

    train(net, drawn, options, look)
    state = kept(net)
    save_file(state, path)
    net.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    return {**measure(net, test, drawn), "steps": options.steps, "batch": options.batch, "videos": options.videos}


def kept(net: nn.Module) -> dict[str, Tensor]:
    """The state dict as it is written."""
    return {name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in net.state_dict().items()}


def train(net: SmallPose, drawn: Drawn, options: argparse.Namespace, look: Any) -> None:
    """AdamW, linear warm-up over 5 % of the steps, then a cosine to zero; leaves ``net`` in evaluation mode."""
    rng = np.random.default_rng(options.seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.02)
    warm = max(1, options.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, options.steps - warm)))
    )
    began, means = time.monotonic(), np.zeros(2)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for step in range(1, options.steps + 1):
        net.train()
        x, wanted = sample(drawn, rng, options.batch)
        losses = loss(net(torch.from_numpy(x)), wanted)
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        means += (losses.detach().numpy() - means) * max(0.02, 1 / step)
        if step % 100 == 0 or step == options.steps:
            LOG.info("step %d of %d: maps %.3f, offsets %.3f, %.0f s", step, options.steps, *means, time.monotonic() - began)
        if step % 500 == 0 and step < options.steps:
            net.eval()
            look()
    net.eval()


def loss(out: Tensor, wanted: Targets) -> Tensor:
    """(2,): of the maps, cross-entropy weighed by the square of the error (Li et al., "Generalized Focal Loss", 2020), of the offsets,
    smooth L1; both per person."""
    maps, counts = torch.from_numpy(wanted.maps), torch.from_numpy(wanted.counts)
    said = out[:, : JOINTS + 1]
    people = (maps[:, JOINTS] > 0.8).sum().clamp_min(1)
    weight = (torch.sigmoid(said) - maps).abs().square() * counts
    entropy = (F.binary_cross_entropy_with_logits(said, maps, reduction="none") * weight).sum() / people
    weights = torch.from_numpy(wanted.weights)
    far = F.smooth_l1_loss(out[:, JOINTS + 1 :], torch.from_numpy(wanted.offsets), reduction="none", beta=0.1)
    return torch.stack([entropy, OFFSET_WEIGHT * (far * weights).sum() / weights.sum().clamp_min(1)])


@torch.inference_mode()
def measure(net: SmallPose, test: Drawn, fitted: Drawn) -> dict[str, float]:
    """Share of the seen joints of everybody that are within a tenth of the larger side of the person's box (a person who is not found
    has none), beside a mean pose in the true box; the share of the people who are found; people made up, per picture."""
    ours, mean, found, made_up, joints, people = 0, 0, 0, 0, 0, 0
    average = mean_pose(fitted)
    for picture, truth in zip(test.pictures, test.people):
        guessed = people_of(net(torch.from_numpy(network_input(picture[None])))[0].numpy()).keypoints
        truth = truth[(truth[..., 2] == 2).sum(1) >= LEAST_SEEN]
        pairs = matched(guessed, truth)
        made_up += len(guessed) - len(pairs)
        people, found = people + len(truth), found + len(pairs)
        for number, person in enumerate(truth):
            seen = person[:, 2] == 2
            low, size = box(person)
            joints += int(seen.sum())
            limit = NEAR * float(size.max())
            mean += int((np.linalg.norm(average * size + low - person[:, :2], axis=1) <= limit)[seen].sum())
            if number in pairs:
                ours += int((np.linalg.norm(guessed[pairs[number], :, :2] - person[:, :2], axis=1) <= limit)[seen].sum())
    return {
        "pck@0.1": round(ours / joints, 4),
        "mean pose in the true box": round(mean / joints, 4),
        "found": round(found / people, 4),
        "made up per picture": round(made_up / len(test.pictures), 4),
        "people": people,
    }


def box(person: Floats) -> tuple[Floats, Floats]:
    """Corner and size of the box around all joints of a person."""
    low, high = person[:, :2].min(0), person[:, :2].max(0)
    return low, high - low


def mean_pose(drawn: Drawn) -> Floats:
    """Where joints lie in their box on average: (17, 2) in 0..1."""
    poses = [(person[:, :2] - low) / size for group in drawn.people for person in group for low, size in [box(person)]]
    average: Floats = np.mean(poses, 0).astype(np.float32)
    return average


def matched(guessed: Floats, truth: Floats) -> dict[int, int]:
    """Number of a true person -> of the guess that is theirs: nearest pairs first, none farther than half the person's size."""
    away = {
        (t, g): float(np.linalg.norm(one[:, :2] - person[:, :2], axis=1)[person[:, 2] == 2].mean() / box(person)[1].max())
        for t, person in enumerate(truth)
        for g, one in enumerate(guessed)
    }
    pairs: dict[int, int] = {}
    for (t, g), far in sorted(away.items(), key=lambda item: item[1]):
        if far < 0.5 and t not in pairs and g not in pairs.values():
            pairs[t] = g
    return pairs
