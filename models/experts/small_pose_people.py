"""small-pose as an expert: frames to its input, its maps to people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from cache.errors import ConfigError
from models.backbones.published import load_into, read_state
from models.experts.running import Expert, Job, People, Setup, by_network
from models.experts.small_pose import JOINTS, MULTIPLE, STRIDE, SmallPose
from models.inference.batches import Item
from models.inference.infer import Whole
from models.weights import IMAGENET_MEAN, IMAGENET_STD

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: the joints of the mirrored picture
SWAP = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, JOINTS))]
#: an offset of 1 in pixels
UNIT = 16.0
#: the short side of the pictures that it was trained on
SHORT_SIDE = 120
#: least value of a middle; of a joint that is taken from its own map
PERSON, SEEN = 0.3, 0.1
#: cells around a rough place in which a joint is looked for, in parts of the person's larger side, and how much nearness counts there
REACH, NEAR = 0.3, 0.3
#: persons whose joints lie nearer together than this part of their size, on average, are one
SAME = 0.12
#: added around the joints to make a box, in parts of the larger side
MARGIN = 0.08


def padded_size(height: int, width: int) -> tuple[int, int]:
    """Sides made multiples of 16, at the bottom and on the right."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE


def network_input(pictures: Images) -> Floats:
    """uint8 RGB (B, H, W, 3) -> float32 (B, 3, H', W'), padded with the mean colour to multiples of 16."""
    batch, height, width, _ = pictures.shape
    x = np.zeros((batch, *padded_size(height, width), 3), np.float32)
    x[:, :height, :width] = (pictures / np.float32(255) - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    return np.moveaxis(x, -1, 1)


def people_of(maps: Floats, person: float = PERSON) -> People:
    """The people that the network's maps (52, h, w) tell of, in pixels of its input, the surest first."""
    chances = 1 / (1 + np.exp(-maps[: JOINTS + 1]))
    offsets = maps[JOINTS + 1 :].reshape(JOINTS, 2, *maps.shape[1:])
    found: list[Floats] = []
    sure: list[float] = []
    for row, column in peaks(chances[JOINTS], person):
        joints = refine(rough_places(offsets, chances[JOINTS], row, column), chances[:JOINTS])
        if all(apart(joints, other) >= SAME for other in found):
            found.append(joints)
            sure.append(float(chances[JOINTS, row, column]))
    keypoints = np.stack(found) if found else np.zeros((0, JOINTS, 3), np.float32)
    scores = np.array(sure, np.float32)
    return People(keypoints, boxes_of(keypoints), scores, scores)


def peaks(chance: Floats, least: float) -> list[tuple[int, int]]:
    """(row, column) of the cells that no neighbour exceeds and that are at least ``least``, largest first."""
    padded = np.pad(chance, 1, constant_values=-1.0)
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).max((2, 3))
    rows, columns = np.nonzero((chance >= around) & (chance >= least))
    order = np.argsort(-chance[rows, columns], kind="stable")
    return [(int(rows[i]), int(columns[i])) for i in order]


def rough_places(offsets: Floats, chance: Floats, row: int, column: int) -> Floats:
    """Where a middle and the cells around it that are half as much a middle say that its joints are (17, 2), in pixels: the mean, weighed
    by how much each is one."""
    rows, columns = np.mgrid[max(0, row - 1) : min(chance.shape[0], row + 2), max(0, column - 1) : min(chance.shape[1], column + 2)]
    places = np.stack([columns, rows]) * STRIDE + STRIDE / 2 + offsets[:, :, rows, columns] * UNIT
    weights = np.where(chance[rows, columns] >= chance[row, column] / 2, chance[rows, columns], 0)
    rough: Floats = ((places * weights).sum((2, 3)) / weights.sum()).astype(np.float32)
    return rough


def refine(rough: Floats, chances: Floats) -> Floats:
    """Joints (17, 3), x, y and score, from rough places (17, 2): each goes to the best place of its own map nearby, if it is seen there."""
    size = float(max(np.ptp(rough[:, 0]), np.ptp(rough[:, 1]), 4 * STRIDE))
    height, width = chances.shape[1:]
    reach = max(1.5, REACH * size / STRIDE)
    out = np.concatenate([rough, np.zeros((JOINTS, 1), np.float32)], 1)
    for joint, (x, y) in enumerate(rough / STRIDE - 0.5):
        left, top = max(0, int(np.ceil(x - reach))), max(0, int(np.ceil(y - reach)))
        window = chances[joint, top : max(0, int(y + reach) + 1), left : max(0, int(x + reach) + 1)]
        if not window.size:
            continue
        rows, columns = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        far = np.square(rows - y) + np.square(columns - x)
        best = int(np.argmax(window * np.exp(-far / (2 * np.square(max(1.0, NEAR * size / STRIDE))))))
        row, column = int(rows.flat[best]), int(columns.flat[best])
        value = float(chances[joint, row, column])
        out[joint, 2] = value
        if value >= SEEN:
            near = chances[joint, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            r, c = np.mgrid[max(0, row - 1) : min(height, row + 2), max(0, column - 1) : min(width, column + 2)]
            out[joint, :2] = (np.array([(near * c).sum(), (near * r).sum()]) / near.sum() + 0.5) * STRIDE
    return out


def apart(one: Floats, other: Floats) -> float:
    """Mean distance of the joints of two persons, in parts of the larger side of the first."""
    size = max(float(np.ptp(other[:, 0])), float(np.ptp(other[:, 1])), 1.0)
    return float(np.linalg.norm(one[:, :2] - other[:, :2], axis=1).mean()) / size


def boxes_of(keypoints: Floats) -> Floats:
    """Boxes x, y, width, height (P, 4) around joints (P, 17, 3), with a margin for head, hands and feet."""
    if not len(keypoints):
        return np.zeros((0, 4), np.float32)
    low, high = keypoints[..., :2].min(1), keypoints[..., :2].max(1)
    margin = MARGIN * (high - low).max(1, keepdims=True)
    boxes: Floats = np.concatenate([low - margin, high - low + 2 * margin], 1).astype(np.float32)
    return boxes


def resized(frame: Images, height: int, width: int) -> Images:
    """A frame at the size that the network sees it."""
    if frame.shape[:2] == (height, width):
        return frame
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


def scaled(people: People, x: float, y: float) -> People:
    """People in pixels of a picture ``x`` and ``y`` times as large."""
    keypoints = people.keypoints * np.float32([x, y, 1])
    return People(keypoints, people.boxes * np.float32([x, y, x, y]), people.box_scores, people.scores)


def small(setup: Setup) -> Expert:
    """The expert. Options: ``working``, the short side that the network sees (120), ``detector_confidence``, of the middles (0.3)."""
    if setup.options.get("mirror", False):
        raise ConfigError("small-pose has no mirrored inference", hint="mirror=false")
    short = int(setup.options.get("working", 0)) or SHORT_SIDE
    scale = short / min(setup.height, setup.width)
    height, width = round(setup.height * scale), round(setup.width * scale)
    torch.manual_seed(setup.seed)
    net: nn.Module = SmallPose()
    if setup.weights is not None:
        load_into(net, read_state(setup.weights), setup.weights.name)
    device = setup.plan.device
    sure = float(setup.options.get("detector_confidence", 0)) or PERSON

    def to_input(pictures: Images) -> Tensor:
        return torch.from_numpy(network_input(pictures)).to(device)

    def people(maps: Floats) -> People:
        return scaled(people_of(maps, sure), setup.width / width, setup.height / height)

    def expert(jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        ready = Whole(net).requires_grad_(False).eval().to(device)
        return by_network(ready, jobs, load, setup.plan, lambda frame: resized(frame, height, width), to_input, people, "small-pose")

    return expert
