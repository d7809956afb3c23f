"""Keypoint R-CNN (He et al., "Mask R-CNN", ICCV 2017) of torchvision: finds people and their joints in one look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cache.errors import ConfigError
from models.experts.chunks import Chunk, beside, chunks, whole
from models.experts.detectors import SURE, load_library, people_said, refuse_runtime
from models.experts.pose_nms import person_scores
from models.experts.running import Expert, Job, People, Setup
from models.inference.batches import Item
from models.inference.in_order import in_order
from models.inference.infer import one_thread


class KeypointRCNN:
    """Called as torchvision has it: one frame at a time in each lane, eager, float32."""

    def __init__(self, setup: Setup) -> None:
        refuse_runtime(setup.plan)
        if setup.options.get("mirror", False):
            raise ConfigError("keypointrcnn has no mirrored inference", hint="mirror=false")
        torch.manual_seed(setup.seed)
        net = load_library("keypointrcnn", setup.weights)
        self._net = net.requires_grad_(False).eval().to(setup.plan.device)
        self._plan = setup.plan
        self._confidence = float(setup.options.get("detector_confidence", 0)) or SURE

    def __call__(self, jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        """See :class:`models.experts.running.Expert`."""
        with closing(chunks(jobs, load, self._plan.readers)) as frames:
            yield from whole(beside(frames, self._all, lambda chunk: bool(chunk.frames), []))

    def _all(self, frames: Iterator[Chunk]) -> Iterator[list[People]]:
        return in_order(self._look, frames, self._plan.lanes, one_thread)

    def _look(self, chunk: Chunk) -> list[People]:
        return [people(people_said(self._net, frame, self._plan.device, self._confidence)) for frame in chunk.frames]


def people(said: dict[str, npt.NDArray[np.float32]]) -> People:
    """What torchvision says, as people. Its scores of joints are logits: here they are between 0 and 1 (sigmoid)."""
    scores = (1 / (1 + np.exp(-said["keypoints_scores"][..., None].astype(np.float64)))).astype(np.float32)
    keypoints = np.concatenate([said["keypoints"][..., :2], scores], 2).astype(np.float32)
    boxes = np.concatenate([said["boxes"][:, :2], said["boxes"][:, 2:] - said["boxes"][:, :2]], 1).astype(np.float32)
    total = person_scores(scores, said["scores"]) if len(scores) else np.zeros(0, np.float32)
    return People(keypoints, boxes, said["scores"], total)


def keypointrcnn(setup: Setup) -> Expert:
    """The expert. Option: ``detector_confidence`` (0.5)."""
    return KeypointRCNN(setup)
