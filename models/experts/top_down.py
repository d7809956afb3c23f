"""People one at a time: a detector finds them, a network sees each in a crop, and what it says is put together again for each frame."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.backbones.published import load_into, read_state
from models.experts import pose_crops
from models.experts.chunks import Chunk, beside, chunks, whole
from models.experts.detectors import Detector, Found, detector
from models.experts.fastpose import CROP, FastPose, options_of
from models.experts.flip_test import FlipTest
from models.experts.pose_nms import person_scores, pose_nms
from models.experts.running import Expert, Job, People, Setup
from models.inference.batches import Array, Item
from models.inference.infer import Plan, infer

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Crops:
    """The people of a chunk of frames, to be looked at."""

    chunk: Chunk
    found: list[Found]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(len(one.scores) for one in self.found)

    def boxes(self) -> Floats:
        """The boxes of all of them (count, 4)."""
        return np.concatenate([one.boxes for one in self.found])

    def cut(self, height: int, width: int) -> list[Array]:
        """A crop (height, width, 3) of each."""
        out = []
        for frame, one in zip(self.chunk.frames, self.found):
            centre, size = pose_crops.centre_and_size(one.boxes, height, width)
            out += [pose_crops.crop(frame, c, s, height, width) for c, s in zip(centre, size)]
        return out


#: works with somebody in them -> for each, the joints of everybody (count, 17, 3): x, y, score
Poses = Callable[[Iterator[Crops]], Iterable[Floats]]


class TopDown:
    """An expert of a detector and a pose network. ``merged``: poses of the same person are made one (pose suppression)."""

    def __init__(self, find: Detector, poses: Poses, merged: bool, readers: int) -> None:
        self._find, self._poses, self._merged, self._readers = find, poses, merged, readers

    def __call__(self, jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        """See :class:`models.experts.running.Expert`."""
        with closing(chunks(jobs, load, self._readers)) as frames, closing(self._people(frames)) as people:
            yield from whole(people)

    def _people(self, frames: Iterable[Chunk]) -> Generator[tuple[Chunk, list[People]], None, None]:
        works = (Crops(chunk, found) for chunk, found in self._find(frames))
        nobody = np.zeros((0, 17, 3), np.float32)
        with closing(beside(works, self._poses, lambda work: work.count > 0, nobody)) as posed:
            for work, joints in posed:
                ends = np.cumsum([len(one.scores) for one in work.found])
                parts = np.split(joints, ends[:-1]) if len(ends) else []
                yield work.chunk, [people(one, part, self._merged) for one, part in zip(work.found, parts, strict=True)]


def people(found: Found, joints: Floats, merged: bool) -> People:
    """The people of one frame; ``joints`` (n, 17, 3) of those who were found."""
    places, scores, boxes, box_scores = joints[..., :2], joints[..., 2:], found.boxes, found.scores[:, None]
    if merged and len(joints):
        kept = pose_nms(places, scores, boxes, box_scores)
        places, scores, boxes, box_scores = kept.poses, kept.scores, kept.boxes, kept.box_scores
    flat = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).astype(np.float32)
    total = person_scores(scores, box_scores) if len(scores) else np.zeros(0, np.float32)
    return People(np.concatenate([places, scores], 2).astype(np.float32), flat, box_scores[:, 0].astype(np.float32), total)


class HeatMaps:
    """A network of heat maps as :data:`Poses`: crops of everybody go through it in batches, across frames and videos."""

    def __init__(self, net: nn.Module, plan: Plan, what: str) -> None:
        self._net = net.requires_grad_(False).eval().to(plan.device)
        self._plan, self._what = plan, what

    def __call__(self, works: Iterator[Crops]) -> Iterator[Floats]:
        """See :data:`Poses`."""
        boxes: list[Floats] = []

        def noted() -> Iterator[Crops]:
            for work in works:
                boxes.append(pose_crops.crop_boxes(*pose_crops.centre_and_size(work.boxes(), *CROP)))
                yield work

        def load(work: Crops) -> Item:
            return Item(work.chunk.id, work.count, work.cut(*CROP))

        for _, maps in infer(self._net, noted(), load, self._plan, self._to_input, self._what):
            yield np.concatenate(pose_crops.joints_of(maps, boxes.pop(0)), 2)

    def _to_input(self, crops: Array) -> Tensor:
        return torch.from_numpy(pose_crops.network_input(crops)).to(self._plan.device)


def fastpose(setup: Setup) -> Expert:
    """AlphaPose: FastPose with a detector. Options: ``detector``, ``detector_confidence``, ``mirror`` (the flip test), ``pose_nms``."""
    torch.manual_seed(setup.seed)
    if setup.weights is None:
        net: nn.Module = FastPose()
    else:
        state = read_state(setup.weights)
        net = load_into(FastPose(**options_of(state)), state, setup.weights.name)
    if setup.options.get("mirror", False):
        net = FlipTest(net)
    poses = HeatMaps(net, setup.plan, "alphapose-fastpose50")
    return TopDown(detector(setup), poses, bool(setup.options.get("pose_nms", True)), setup.plan.readers)
