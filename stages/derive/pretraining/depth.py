"""Train small-depth on drawn frames against their true depth: the mean absolute error of its logarithm."""

from __future__ import annotations

import argparse
import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor

from models.backbones.inputs import input_on
from models.experts.small_depth import MIDDLE, SmallDepth
from stages.derive.pretraining.drawn import Images, encoded, frames
from world.dense import depth

LOG = logging.getLogger(__name__)
HELP = "small-depth: depth of a frame, against the truth of the drawing"

Floats = npt.NDArray[np.float32]

network_input = input_on("cpu", "symmetric", 3)


@dataclass(frozen=True)
class Frames:
    """Pictures (N, H, W, 3) and true depths (N, H, W) in metres."""

    pictures: Images
    depths: npt.NDArray[np.float16]


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen; the defaults made the shipped weights."""
    parser.add_argument("--seeds", type=int, nargs="+", default=[1000, 1001, 1002], help="of the drawings to train on, from 1000")
    parser.add_argument("--videos", type=int, default=1000, help="of each seed")
    parser.add_argument("--held-out", type=int, default=2000, help="seed of the drawings to measure on")
    parser.add_argument("--held-out-videos", type=int, default=200)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")


def make(options: argparse.Namespace) -> dict[str, Any]:
    """Train, write the weights as float16, and return how good they are on the held-out drawings."""
    data = gather(options.seeds, options.videos, 2)
    LOG.info("%d frames drawn", len(data.pictures))
    net = train(data, options.steps, options.batch, options.rate, options.seed)
    state = {name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in net.state_dict().items()}
    save_file(state, options.out / "small-depth_world.safetensors")
    net.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in state.items()})
    constant = float(np.median(data.depths))
    return {
        "abs_rel": measure(net, gather([options.held_out], options.held_out_videos, 2), options.batch, constant),
        "constant_metres": constant,
        "parameters": sum(value.numel() for value in net.parameters()),
        "steps": options.steps,
        "batch": options.batch,
    }


def gather(seeds: list[int], videos: int, each: int) -> Frames:
    """All frames with their truth, in memory: a thousand take 100 MB."""
    pictures, depths = [], []
    for seed in seeds:
        for film, number, picture in frames(seed, videos, each):
            pictures.append(picture)
            depths.append(depth(film, number).astype(np.float16))
    return Frames(np.stack(pictures), np.stack(depths))


def sample(data: Frames, rng: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
    """A training batch: random frames as an encoder leaves them, half of them mirrored, with log(depth / 8 m)."""
    pictures, depths = [], []
    for number in rng.integers(len(data.pictures), size=batch):
        side = -1 if rng.random() < 0.5 else 1
        pictures.append(encoded(data.pictures[number], rng)[:, ::side])
        depths.append(data.depths[number][:, ::side])
    return network_input(np.stack(pictures)), torch.from_numpy(np.log(np.stack(depths).astype(np.float32) / MIDDLE))


def train(data: Frames, steps: int, batch: int, rate: float, seed: int) -> SmallDepth:
    """AdamW at ``rate``, linear warm-up over 5 % of ``steps``, then a cosine to zero; returns the network in evaluation mode."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = SmallDepth(*data.pictures.shape[1:3]).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, steps - warm)))
    )
    began, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        x, truth = sample(data, rng, batch)
        loss = (net.forward_features(x)[:, 0] - truth).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean += (loss.item() - mean) * max(0.02, 1 / step)
        if step % 50 == 0 or step == steps:
            LOG.info("step %d of %d: %.4f, %.0f s", step, steps, mean, time.monotonic() - began)
    return net.eval()


@torch.inference_mode()
def measure(net: SmallDepth, data: Frames, batch: int, constant: float) -> dict[str, float]:
    """Mean over frames of |depth - truth| / truth: of the network, of frames as an encoder leaves them, and of ``constant`` metres."""
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {"network": [], "network, encoded frames": [], "constant": []}
    for start in range(0, len(data.pictures), batch):
        pictures, truth = data.pictures[start : start + batch], data.depths[start : start + batch].astype(np.float32)
        lossy = np.stack([encoded(picture, rng) for picture in pictures])
        said: dict[str, Any] = {"network": net(network_input(pictures)).numpy(), "constant": np.float32(constant)}
        said["network, encoded frames"] = net(network_input(lossy)).numpy()
        for name, value in said.items():
            errors[name] += (np.abs(value - truth) / truth).mean((1, 2)).tolist()
    return {name: round(float(np.mean(values)), 4) for name, values in errors.items()}
