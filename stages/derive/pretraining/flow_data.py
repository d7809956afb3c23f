"""Drawn pairs of frames with their true flow, and the batches that small-flow learns from."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from media.decode import read_frames
from media.encode import write_video
from stages.derive.pretraining.drawn import FIRST_SEED, Images
from world.clips import make_clips
from world.dense import flow
from world.plan import RATE, Plan, make_plan
from world.render import Film, draw, stage_film

LOG = logging.getLogger(__name__)

#: how a film is encoded, as the layouts do: MP4 of questions and answers, AVI of actions; "" leaves the frames as they were drawn
ENCODINGS, SHARES = (".mp4", ".avi", ""), (0.45, 0.45, 0.1)
#: the second frame of a pair is the next one, as ``sample.with_next`` keeps it, or so often the one after
WIDER = 0.15
#: height and width of the part of a pair that training sees; factors of its size; how much light, gains of colours and gamma change
PART, SIZES, LIGHT = (80, 96), (0.8, 1.6), 0.2
#: share of pairs of moving textures, so that motion is found of what no drawing has; their largest motion in pixels, turn, growth
TEXTURES, FAR, TURN, GROWTH = 0.15, 10.0, 0.08, 0.08


@dataclass(frozen=True)
class Pairs:
    """``frames`` uint8 (N, 2, H, W, 3) and the ``flow`` float16 (N, H, W, 2) from the first of a pair to the second, in pixels."""

    frames: Images
    flow: npt.NDArray[np.float16]


def kept(cache: Path | None, seed: int, films: int, each: int) -> Pairs:
    """:func:`draw_pairs`, or what it left in ``cache`` before."""
    if cache is None:
        return draw_pairs(seed, films, each)
    frames, truth = (cache / f"{seed}-{films}-{each}-{name}.npy" for name in ("frames", "flow"))
    if not truth.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pairs = draw_pairs(seed, films, each)
        np.save(frames, pairs.frames)
        np.save(truth, pairs.flow)  # the last to be written
    return Pairs(np.load(frames, mmap_mode="r"), np.load(truth, mmap_mode="r"))


def draw_pairs(seed: int, films: int, each: int) -> Pairs:
    """``each`` pairs, at random times, of ``films`` films of ``seed``. Raises ValueError for a seed that a demo or a test may use."""
    if seed < FIRST_SEED:
        raise ValueError(f"seed {seed} may be that of a demo's world; pretraining takes seeds from {FIRST_SEED}")
    rng, began = np.random.default_rng(seed), time.monotonic()
    frames, truth = [], []
    with tempfile.TemporaryDirectory(prefix="kdpipe-pairs-") as work:
        for number, plan in enumerate(plans(seed, films), 1):
            film = stage_film(plan)
            pictures = seen(film, str(rng.choice(ENCODINGS, p=SHARES)), Path(work))
            for t in rng.choice(len(pictures) - 2, each, replace=False).tolist():
                step = 2 if rng.random() < WIDER else 1
                frames.append(np.stack([pictures[t], pictures[t + step]]))
                truth.append(flow(film, t, step).astype(np.float16))
            if number % 200 == 0:
                LOG.info("%d films drawn, %.0f s", number, time.monotonic() - began)
    return Pairs(np.stack(frames), np.stack(truth))


def plans(seed: int, films: int) -> Iterator[Plan]:
    """By turns, videos of the worlds with questions and of the worlds of actions; of these all classes, evenly."""
    clips = list(make_clips(seed, "large"))
    for number, place in enumerate(np.linspace(0, len(clips) - 1, films).round().astype(int)):
        yield make_plan(seed, number) if number % 2 else clips[place].plan


def seen(film: Film, encoding: str, work: Path) -> list[Images]:
    """All pictures (H, W, 3) of a film, decoded from a file in ``work`` that is encoded so."""
    if not encoding:
        return list(draw(film))
    file = work / f"film{encoding}"
    write_video(file, draw(film), RATE)
    return [frame.image for frame in read_frames(file, set(range(film.plan.frames)))]


def sample(pairs: Pairs, seeds: Iterable[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Parts of random pairs, one for each of ``seeds``: frames (B, 2, 3, h, w), 0..255, and their flow (B, 2, h, w) in pixels."""
    chosen = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        if rng.random() < TEXTURES:
            chosen.append(relit(*textured(rng), rng))
        else:
            n = int(rng.integers(len(pairs.frames)))
            chosen.append(changed(pairs.frames[n], pairs.flow[n], rng))
    return torch.cat([frames for frames, _ in chosen]), torch.cat([flow for _, flow in chosen])


def changed(frames: Images, flow: npt.NDArray[np.float16], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A part of a pair (1, 2, 3, h, w), half of the time in another size, or mirrored, always in other colours; its flow (1, 2, h, w)."""
    size = float(np.exp(rng.uniform(*np.log(SIZES)))) if rng.random() < 0.5 else 1.0
    high, wide = (round(side / size) for side in PART)
    top, left = int(rng.integers(frames.shape[1] - high + 1)), int(rng.integers(frames.shape[2] - wide + 1))
    picture = torch.from_numpy(frames[:, top : top + high, left : left + wide].astype(np.float32)).permute(0, 3, 1, 2)
    truth = torch.from_numpy(flow[top : top + high, left : left + wide].astype(np.float32)).permute(2, 0, 1)[None]
    if (high, wide) != PART:
        picture = F.interpolate(picture, PART, mode="bilinear", align_corners=False, antialias=size < 1)
        truth = F.interpolate(truth, PART) * torch.tensor([PART[1] / wide, PART[0] / high]).reshape(1, 2, 1, 1)
    if rng.random() < 0.5:
        picture, truth = picture.flip(3), truth.flip(3) * torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    return relit(picture, truth, rng)


def textured(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A texture moved, turned and enlarged a little, and mostly a second one moving before it: frames (2, 3, h, w), 0..255, and their flow
    (1, 2, h, w). As FlyingChairs (FlowNet, Dosovitskiy et al., ICCV 2015), but of blurred noise, in which each frame is looked up."""
    (frames, flow), (front, over) = _moved(rng), _moved(rng)
    if rng.random() < 0.7:
        middle = torch.from_numpy(rng.uniform(0.2, 0.8, 2) * PART).float().reshape(2, 1, 1)
        half = torch.from_numpy(rng.uniform(0.1, 0.35, 2) * PART).float().reshape(2, 1, 1)
        first = ((_grid().flip(0) - middle).abs() < half).all(0)[None]
        moved = _at(first[None].float(), _grid() - over[0]) > 0.5  # near enough: what turns does so by few pixels
        frames = torch.where(torch.cat([first[None], moved]), front, frames)
        flow = torch.where(first[None], over, flow)
    return frames, flow


def _moved(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One texture under a random motion: frames (2, 3, h, w) and the flow (1, 2, h, w) of the first."""
    cell = float(np.exp(rng.uniform(np.log(2.0), np.log(8.0))))
    margin = 2 * FAR + 10
    high, wide = (int(np.ceil((side + 2 * margin) / cell)) + 3 for side in PART)
    noise = torch.from_numpy(rng.uniform(0, 255, (1, 3, high, wide))).float()
    length, way = FAR * rng.random() ** 2, rng.uniform(0, 2 * np.pi)
    turn, growth = rng.normal(0, TURN / 2), 1 + rng.normal(0, GROWTH / 2)
    moved = float(growth) * torch.tensor([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], dtype=torch.float32)
    shift = torch.tensor([length * np.cos(way), length * np.sin(way)], dtype=torch.float32).reshape(2, 1, 1)
    middle = torch.tensor([PART[1] / 2, PART[0] / 2]).reshape(2, 1, 1)
    here = _grid() - middle
    flow = torch.einsum("ij,jhw->ihw", moved, here) + shift - here
    before = torch.einsum("ij,jhw->ihw", torch.linalg.inv(moved), here - shift)
    frames = [_at(noise, (place + middle + margin) / cell, "bicubic") for place in (here, before)]
    return torch.cat(frames).clamp(0, 255), flow[None]


def _grid() -> Tensor:
    """The place of every pixel of a part: (2, h, w), x and y."""
    y, x = torch.meshgrid(torch.arange(PART[0]), torch.arange(PART[1]), indexing="ij")
    return torch.stack([x, y]).float()


def _at(picture: Tensor, places: Tensor, mode: str = "nearest") -> Tensor:
    """A picture (1, C, H, W) at ``places`` (2, h, w), x and y in its pixels; 0 outside: (1, C, h, w)."""
    sides = torch.tensor([picture.shape[3] - 1, picture.shape[2] - 1]).reshape(2, 1, 1)
    return F.grid_sample(picture, (2 * places / sides - 1).permute(1, 2, 0)[None], mode=mode, align_corners=True)


def relit(picture: Tensor, truth: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Frames (2, 3, h, w) in other light and colours, as a batch of one; the flow as it is."""
    light = rng.uniform(1 - LIGHT, 1 + LIGHT, (1, 3, 1, 1)) * rng.uniform(1 - LIGHT, 1 + LIGHT)
    picture = (picture[:, rng.permutation(3)] / 255) ** float(np.exp(rng.uniform(-LIGHT, LIGHT))) * torch.from_numpy(255 * light).float()
    return (picture + 255 * rng.uniform(-LIGHT, LIGHT) / 2).clamp(0, 255)[None], truth
