"""Drawn pictures with the joints of everybody in them, and what small-pose is to say of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.experts.small_pose import JOINTS, MULTIPLE, STRIDE
from models.experts.small_pose_people import SWAP, UNIT, network_input
from world.plan import HEIGHT, WIDTH, make_plan
from world.render import draw, stage_film
from world.truth import picture_keypoints

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: a person of whom fewer joints than this are seen is nobody
LEAST_SEEN = 4
#: shoulders and hips: their middle is the middle of a person
TRUNK = (5, 6, 11, 12)
#: spread of a joint in a map, in cells
SPREAD = 1.0
#: how pictures are changed in training: factors of size, shifts in pixels, qualities of JPEG, factors of brightness and contrast
SIZES, SHIFT, QUALITIES, LIGHT = (0.75, 1.3), 14.0, (30, 95), 0.2
#: height and width of the part of a picture that training sees, and how far its middle is from somebody's
PART, STRAY = (96, 96), 14.0


@dataclass(frozen=True)
class Drawn:
    """``pictures`` (n, 120, 160, 3); ``people[i]`` (P, 17, 3): x, y in pixels and 2 seen, 1 hidden, 0 outside; ``video`` (n,)."""

    pictures: Images
    people: list[Floats]
    video: npt.NDArray[np.int64]


def draw_world(seed: int, videos: int, frames: int) -> Drawn:
    """``frames`` pictures of each of the first ``videos`` films of a world, evenly spread over each."""
    pictures, people, numbers = [], [], []
    for number in range(videos):
        film = stage_film(make_plan(seed, number))
        times = np.unique(np.linspace(0, film.plan.frames - 1, frames).round().astype(int)).tolist()
        points, visible = picture_keypoints(film)
        both = np.concatenate([points, visible[..., None]], -1).astype(np.float32)
        pictures += list(draw(film, times))
        people += [both[:, t] for t in times]
        numbers += [number] * len(times)
    return Drawn(np.stack(pictures), people, np.array(numbers))


def changed(picture: Images, people: Floats, rng: np.random.Generator) -> tuple[Images, Floats]:
    """Another picture like it: mirrored, nearer or farther, in other light, through a lossy codec."""
    if rng.random() < 0.5:
        picture, people = picture[:, ::-1], (people * np.float32([-1, 1, 1]) + np.float32([WIDTH, 0, 0]))[:, SWAP]
    image = Image.fromarray(np.ascontiguousarray(picture))
    if rng.random() < 0.6:
        size = float(np.exp(rng.uniform(*np.log(SIZES))))
        middle = np.array([WIDTH / 2, HEIGHT / 2]) + rng.uniform(-SHIFT, SHIFT, 2)
        corner = middle - np.array([WIDTH / 2, HEIGHT / 2]) / size
        image = image.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, (1 / size, 0, corner[0], 0, 1 / size, corner[1]), 2)
        moved = (people[..., :2] - corner.astype(np.float32)) * np.float32(size)
        inside = (moved >= 0).all(-1) & (moved[..., 0] < WIDTH) & (moved[..., 1] < HEIGHT)
        people = np.concatenate([moved, np.where(inside, people[..., 2], 0)[..., None]], -1)
    if rng.random() < 0.5:
        held = io.BytesIO()
        image.save(held, "jpeg", quality=int(rng.integers(*QUALITIES)))
        image = Image.open(held)
    values = np.asarray(image).astype(np.float32)
    values = (values - 128) * rng.uniform(1 - LIGHT, 1 + LIGHT) + 128 * rng.uniform(1 - LIGHT, 1 + LIGHT)
    return np.clip(values, 0, 255).astype(np.uint8), people


def cut(picture: Images, people: Floats, rng: np.random.Generator) -> tuple[Images, Floats]:
    """A part of the picture of the size :data:`PART`, around somebody: half the arithmetic, and all that there is to learn."""
    size = np.array(PART[::-1])
    where = middles(people)[rng.integers(len(people))] + rng.uniform(-STRAY, STRAY, 2)
    left, top = np.clip(where - size / 2, 0, np.array([WIDTH, HEIGHT]) - size).astype(int).tolist()
    moved = people[..., :2] - np.float32([left, top])
    inside = (moved >= 0).all(-1) & (moved < size).all(-1)
    people = np.concatenate([moved, np.where(inside, people[..., 2], 0)[..., None]], -1)
    return picture[top : top + PART[0], left : left + PART[1]], people


def middles(people: Floats) -> Floats:
    """The middle of each person's trunk: (P, 2)."""
    middle: Floats = people[:, TRUNK, :2].mean(1)
    return middle


@dataclass(frozen=True)
class Targets:
    """What the network is to say of a batch: ``maps`` (B, 18, h, w) in 0..1 and where they count (``counts``); ``offsets``
    (B, 34, h, w) in units, with their weights."""

    maps: Floats
    counts: Floats
    offsets: Floats
    weights: Floats


def targets(people: list[Floats], height: int, width: int) -> Targets:
    """The targets of pictures of ``height`` x ``width`` pixels (multiples of 16)."""
    h, w = height // STRIDE, width // STRIDE
    batch = len(people)
    maps, counts = np.zeros((batch, JOINTS + 1, h, w), np.float32), np.ones((batch, JOINTS + 1, h, w), np.float32)
    offsets, weights = np.zeros((batch, JOINTS, 2, h, w), np.float32), np.zeros((batch, JOINTS, 2, h, w), np.float32)
    places = np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5), -1).astype(np.float32)
    for i, group in enumerate(people):
        nearest = np.full((h, w), 1.5, np.float32)
        for person, middle in zip(group, middles(group) / STRIDE):
            cells = person[:, :2] / STRIDE
            bumps = np.exp(-np.square(places - cells[:, None, None]).sum(-1) / (2 * SPREAD**2))
            known = (person[:, 2] == 2).sum() >= LEAST_SEEN
            for joint in range(JOINTS):
                if known and person[joint, 2] == 2:
                    maps[i, joint] = np.maximum(maps[i, joint], bumps[joint])
                elif person[joint, 2]:
                    counts[i, joint][bumps[joint] > 0.1] = 0
            away = np.linalg.norm(places - middle, axis=-1)
            bump = np.exp(-np.square(away) / (2 * SPREAD**2))
            if not known:
                counts[i, JOINTS][bump > 0.1] = 0
                continue
            maps[i, JOINTS] = np.maximum(maps[i, JOINTS], bump)
            mine = away < nearest
            nearest[mine] = away[mine]
            offsets[i][:, :, mine] = ((cells[:, None] - places[mine]) * (STRIDE / UNIT)).transpose(0, 2, 1)
            weights[i][:, :, mine] = np.float32([0.2, 0.3, 1.0])[person[:, 2].astype(int)][:, None, None]
    counts[maps > 0.1] = 1
    flat = (batch, 2 * JOINTS, h, w)
    return Targets(maps, counts, offsets.reshape(flat), weights.reshape(flat))


def sample(drawn: Drawn, rng: np.random.Generator, batch: int) -> tuple[Any, Targets]:
    """A training batch: network input (B, 3, 96, 96) and targets."""
    chosen = [cut(*changed(drawn.pictures[i], drawn.people[i], rng), rng) for i in rng.integers(len(drawn.pictures), size=batch)]
    x = network_input(np.stack([picture for picture, _ in chosen]))
    assert x.shape[2] % MULTIPLE == 0
    return x, targets([people for _, people in chosen], x.shape[2], x.shape[3])
