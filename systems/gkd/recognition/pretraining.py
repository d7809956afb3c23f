"""``python -m systems.gkd.recognition.pretraining --out DIR``: make the weights of small_i3d, which the drawn demo's teacher starts from.

What Kinetics is to the published teacher: clips of the same actions, of other people, drawn here in the plain setting with seeds that no
dataset has. The network learns to name the action, and where the joints of the person are in every other frame, which nobody asks it later.
No stage imports this module. What came of it stands in ``models/backbones/weights/README.md``.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import i3d_channels_last
from models.backbones.registry import build
from models.training.crops import At
from systems.gkd.recognition.sampling import picture_numbers
from systems.gkd.recognition.views import View, centre_view, network_input, random_view, scale, see
from systems.gkd.running_statistics import follow
from world.clips import make_clips
from world.layout import Shown
from world.render import draw, stage_film
from world.truth import picture_keypoints

LOG = logging.getLogger("pretraining")
#: what the demo's networks tell apart (configs/datasets/plainactions.yaml says the same)
ACTIONS = ("bow", "crawl", "jack", "jump", "kick", "lunge", "run", "spin", "squat", "swim", "walk", "wave")
#: seeds of what is trained on, and of what is scored
SEEDS, SCORED = range(3001, 3013), 1001
FRAMES, SIZE, SHORT, CROPS = 16, 48, 54, (1.0, 0.875)
#: every other frame has joints: 17 of them, and the middle of the hips
EVERY, POINTS, HIPS = 2, 18, (11, 12)
#: left and right of COCO's joints change places in a mirrored picture
SWAP = np.array([0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))])
#: clips that are normalised together, and how many of these make a step
TOGETHER, PARTS = 8, 3
WARMUP, DECAY = 100, 0.05


class Shot(NamedTuple):
    """A drawn clip: small pictures (n, 54, 72, 3), joints of its person (n, 17, 2) in pixels of these, and the number of its action."""

    pictures: npt.NDArray[np.uint8]
    joints: npt.NDArray[np.float32]
    label: int


def shots(seeds: Sequence[int]) -> Iterator[Shot]:
    """The first clip of every group of the large plain worlds of these seeds: each of another person."""
    for seed in seeds:
        for clip in make_clips(seed, "large", Shown(ACTIONS, "plain")):
            if clip.number == 1:
                film = stage_film(clip.plan)
                whole = np.stack(list(draw(film)))
                points, _ = picture_keypoints(film)
                shrunk = points[clip.main].astype(np.float32) * (SHORT / whole.shape[1])
                yield Shot(scale(whole, SHORT), shrunk, ACTIONS.index(clip.action))


def example(shot: Shot, at: At) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A random view (3, 16, 48, 48), and where the joints are in it (8, 18, 2)."""
    numbers = np.array(picture_numbers(len(shot.pictures), FRAMES, at)) - 1
    clip = shot.pictures[numbers]
    view = random_view(at, *clip.shape[1:3], 3, SIZE, CROPS)
    return network_input(see(clip, view, SIZE)), _seen(shot.joints[numbers][::EVERY], view, clip.shape[1:3])


def _seen(joints: npt.NDArray[np.float32], view: View, size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """The hips in a view, -1..1 from border to border, and every joint from there."""
    box = view.box
    seen = np.array([min(box.width, size[1] - box.left), min(box.height, size[0] - box.top)])
    points = (joints - np.array([box.left, box.top])) / seen * 2 - 1
    if view.mirrored:
        points = points[:, SWAP] * np.array([-1, 1])
    hips = points[:, HIPS].mean(1, keepdims=True)
    return np.concatenate([np.clip(hips, -1.5, 1.5), np.clip(points - hips, -2, 2)], 1).astype(np.float32)


def features(net: nn.Module, clips: Tensor) -> Tensor:
    """The last map."""
    last = net.endpoints[-1]
    return i3d_channels_last.maps(net, clips, (last,))[last]


def train(found: Sequence[Shot], epochs: int, rate: float, seed: int) -> nn.Module:
    """A small_i3d that has learnt ``found``: AdamW, a rate that falls to 0 by half a cosine."""
    torch.manual_seed(seed)
    net = build("small_i3d", n_classes=len(ACTIONS), dropout=0.0)
    follow(net, 0.1)
    pose = nn.Linear(net.width * 8, FRAMES // EVERY * POINTS * 2)
    some = np.stack([example(found[i], At(seed, epochs, i))[1] for i in range(0, len(found), 7)])
    mean, spread = torch.from_numpy(some.mean(0)), torch.from_numpy(some.std(0) + 0.02)
    learning = [*net.parameters(), *pose.parameters()]
    optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=DECAY)
    batch = TOGETHER * PARTS
    total, step = epochs * (len(found) // batch), 0
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(found))
        right = 0
        for start in range(0, len(found) - batch + 1, batch):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / total))
            step += 1
            optimizer.zero_grad()
            for part in order[start : start + batch].reshape(PARTS, TOGETHER).tolist():
                views, joints = (np.stack(one) for one in zip(*(example(found[i], At(seed, epoch, i)) for i in part), strict=True))
                labels = torch.tensor([found[i].label for i in part])
                last = features(net, torch.from_numpy(views))
                logits = net.forward_head(last).mean(2)
                wanted = ((torch.from_numpy(joints) - mean) / spread).flatten(1)
                loss = F.cross_entropy(logits, labels) + F.mse_loss(pose(last.flatten(1)), wanted)
                (loss / PARTS).backward()
                right += int((logits.argmax(1) == labels).sum())
            optimizer.step()
        LOG.info("epoch %d: %.1f %% of the training clips", epoch + 1, 100 * right / len(found))
    return net.eval()


@torch.inference_mode()
def accuracy(net: nn.Module, found: Sequence[Shot]) -> float:
    """Percent of the clips whose action it names from the middle of them."""
    right = 0
    for shot in found:
        clip = shot.pictures[np.array(picture_numbers(len(shot.pictures), FRAMES)) - 1]
        view = network_input(see(clip, centre_view(*clip.shape[1:3], SIZE), SIZE))
        logits = net.forward_head(features(net, torch.from_numpy(view)[None])).mean(2)
        right += int(logits.argmax(1)) == shot.label
    return 100 * right / len(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m systems.gkd.recognition.pretraining", description="make the weights of small_i3d")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="of so many worlds")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    net = train(list(shots(SEEDS[: options.seeds])), options.epochs, options.rate, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    state = {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
    save_file(state, options.out / "small_i3d_world.safetensors")
    LOG.info("%.1f %% of the clips of world %d", accuracy(net, list(shots([SCORED]))), SCORED)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
