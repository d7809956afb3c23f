"""Train small-flow on drawn pairs of frames against their true flow: the end-point error at every level."""

from __future__ import annotations

import argparse
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.experts.flow_fit import Fit
from models.experts.small_flow import MULTIPLE, SmallFlow, normalised
from models.heap import kept_heap
from models.training.distributed import average_gradients, rank, share
from models.training.processes import run_together
from stages.derive.pretraining.flow_data import Pairs, kept, sample

LOG = logging.getLogger(__name__)
HELP = "small-flow: optical flow of a pair of frames, against the truth of the drawing"

#: of the errors of strides 1, 2, 4, 8, 16, all in pixels
WEIGHTS = (1.0, 0.5, 0.3, 0.2, 0.15)
#: pixels below which an error counts less, so that its gradient has no jump
EPSILON = 0.01
#: steps from a checkpoint to the next
EVERY = 1000
FILE = "small-flow_world.safetensors"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen; the defaults made the shipped weights."""
    parser.add_argument("--drawings", type=int, default=1400, help="seed of the drawings to train on, from 1000")
    parser.add_argument("--films", type=int, default=2400)
    parser.add_argument("--pairs", type=int, default=6, help="of each film")
    parser.add_argument("--held-out", type=int, default=2400, help="seed of the drawings to measure on")
    parser.add_argument("--held-out-films", type=int, default=80)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=6e-4, help="learning rate")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--processes", type=int, default=1, help="that share every batch")
    parser.add_argument("--cache", type=Path, help="folder where drawn pairs are kept, 0.2 MB each; the default is that of the weights")


def make(options: argparse.Namespace) -> dict[str, Any]:
    """Train, write the weights as float16, and return how good they are on the held-out drawings.

    A run that was stopped goes on from its last checkpoint, which lies beside the weights until they are there.
    """
    for gather in (training_pairs, held_out_pairs):
        gather(options)  # drawn once, whatever the number of processes
    run_together(options.processes, work, options)
    net = read(options.out / FILE)
    size = {"parameters": sum(value.numel() for value in net.parameters()), "steps": options.steps, "batch": options.batch}
    return {"epe": measure(net.eval(), held_out_pairs(options)), **size}


def training_pairs(options: argparse.Namespace) -> Pairs:
    """What is learned from."""
    return kept(options.cache or options.out, options.drawings, options.films, options.pairs)


def held_out_pairs(options: argparse.Namespace) -> Pairs:
    """What is measured on."""
    return kept(options.cache or options.out, options.held_out, options.held_out_films, 3)


def work(device: str, options: argparse.Namespace) -> None:
    """What each process does; the first one writes the weights."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with kept_heap():
        net = train(training_pairs(options), held_out_pairs(options), options)
    if rank() == 0:
        state = {name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in net.state_dict().items()}
        save_file(state, options.out / FILE)
        checkpoint_of(options).unlink(missing_ok=True)


def read(file: Path) -> SmallFlow:
    """The network with the weights of a file."""
    net = SmallFlow()
    net.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in load_file(file).items()})
    return net


def checkpoint_of(options: argparse.Namespace) -> Path:
    """Where a run is kept while it goes on."""
    return Path(options.out / "small-flow_checkpoint.pt")


def train(pairs: Pairs, test: Pairs, options: argparse.Namespace) -> SmallFlow:
    """AdamW, linear warm-up over 5 % of the steps, then a cosine to zero; returns the network in evaluation mode.

    Convolutions compute in bfloat16, which processors with AMX do several times as fast. The pairs of a step depend on the seed and
    its number alone; each of several processes takes its share, and normalises by that.
    """
    torch.manual_seed(options.seed)
    net = (read(options.start) if options.start else SmallFlow()).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=0.01)
    warm = max(1, options.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / warm if s < warm else 0.5 * (1 + math.cos(math.pi * (s - warm) / max(1, options.steps - warm)))
    )
    parts: dict[str, Any] = {"net": net, "optimizer": optimizer, "schedule": schedule}
    done, file = 0, checkpoint_of(options)
    if file.exists():
        held = torch.load(file, weights_only=True)
        done = held["done"]
        for name, part in parts.items():
            part.load_state_dict(held[name])
    places = share(torch.arange(options.batch)).tolist()
    began, mean = time.monotonic(), 0.0
    for step in range(done + 1, options.steps + 1):
        frames, truth = sample(pairs, [(options.seed, step, place) for place in places])
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            flows = net.flows(normalised(frames).contiguous(memory_format=torch.channels_last))
        losses = loss(flows, truth)
        optimizer.zero_grad(set_to_none=True)
        (losses @ torch.tensor(WEIGHTS)).backward()
        average_gradients(net.parameters())
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean += (losses[0].item() - mean) * max(0.01, 1 / (step - done))
        if step % 100 == 0 and rank() == 0:
            LOG.info("step %d of %d: %.4f px, %.0f s", step, options.steps, mean, time.monotonic() - began)
        if step % EVERY == 0 and rank() == 0:
            torch.save({"done": step, **{name: part.state_dict() for name, part in parts.items()}}, file)
            LOG.info("held out: %s", measure(net.eval(), test))
    return net.eval()


def loss(flows: list[Tensor], truth: Tensor) -> Tensor:
    """(5,): the mean error in pixels of each level's flow (B, 2, h, w) in cells; the ``truth`` (B, 2, H, W) is averaged over cells."""
    errors = []
    for flow in flows:
        stride = truth.shape[3] // flow.shape[3]
        wrong = flow.float() * stride - F.avg_pool2d(truth, stride)
        errors.append((wrong.square().sum(1) + EPSILON**2).sqrt().mean())
    return torch.stack(errors)


@torch.inference_mode()
def measure(net: SmallFlow, test: Pairs) -> dict[str, float]:
    """End-point error in pixels, the mean over all pixels, and over those that move by at least one: of the network, and of zero flow."""
    errors, motions = [], []
    fit = Fit("pad", *test.flow.shape[1:3], MULTIPLE)
    for frames, truth in zip(test.frames, test.flow, strict=True):
        x = fit.to_network(torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float())
        flow = fit.to_frame(net(normalised(x[None])))[0].permute(1, 2, 0).numpy()
        errors.append(np.linalg.norm(flow - truth.astype(np.float32), axis=-1))
        motions.append(np.linalg.norm(truth.astype(np.float32), axis=-1))
    error, motion = np.stack(errors), np.stack(motions)
    moving = motion >= 1
    told = {"network": error, "zero": motion, "network, moving": error[moving], "zero, moving": motion[moving]}
    return {name: round(float(values.mean()), 4) for name, values in told.items()}
