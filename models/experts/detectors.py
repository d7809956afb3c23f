"""Who is in a frame: detectors of people by name, for the experts that look at one person at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cache.errors import ConfigError, one_of
from models.backbones.published import load_into, read_state
from models.experts.chunks import Chunk, beside
from models.experts.darknet import SUFFIXES, read_darknet
from models.experts.letterbox import boxes_back, letterbox
from models.experts.person_boxes import CONFIDENCE, people_rows
from models.experts.running import Setup
from models.experts.yolov3_spp import Detecting, YOLOv3SPP
from models.inference.batches import Array, Item
from models.inference.in_order import in_order
from models.inference.infer import Plan, infer, one_thread

Floats = npt.NDArray[np.float32]

#: detector -> its file as published, "" for none
FILES = {
    "yolov3": "yolov3-spp.weights",
    "ssdlite": "ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
    "fasterrcnn": "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
    "whole": "",
}
#: side of the square that YOLOv3 looks at; pictures that go through at once
SIDE, ON_CPU, ON_GPU = 608, 1, 8
#: torchvision's label of people, and how sure it must be
LABEL, SURE = 1, 0.5


@dataclass(frozen=True)
class Found:
    """The people of a frame: ``boxes`` (n, 4) as x1, y1, x2, y2 in its pixels, ``scores`` (n,)."""

    boxes: Floats
    scores: Floats


#: chunks -> each with what was found in its frames
Detector = Callable[[Iterable[Chunk]], Generator[tuple[Chunk, list[Found]], None, None]]


def detector(setup: Setup) -> Detector:
    """The detector ``setup.options["detector"]``. Raises ConfigError for an unknown one or without its file, DataError if that does not
    fit."""
    name = str(setup.options.get("detector", "yolov3"))
    one_of("the detector", name, FILES)
    if name == "whole":
        return whole_picture
    if setup.detector is None:
        raise ConfigError(
            f"the detector {name} needs its weights", hint=f"name the file {FILES[name]}, or take the whole picture: detector=whole"
        )
    sure = float(setup.options.get("detector_confidence", 0))
    if name == "yolov3":
        return Yolo(read_yolov3(setup.detector), setup.plan, sure or CONFIDENCE)
    return Library(load_library(name, setup.detector), setup.plan, sure or SURE)


def whole_picture(chunks: Iterable[Chunk]) -> Generator[tuple[Chunk, list[Found]], None, None]:
    """One person in every frame, who fills it."""
    for chunk in chunks:
        sizes = [frame.shape[:2] for frame in chunk.frames]
        yield chunk, [Found(np.array([[0, 0, w, h]], np.float32), np.ones(1, np.float32)) for h, w in sizes]


def read_yolov3(path: Path) -> YOLOv3SPP:
    """YOLOv3-SPP from Darknet's file, or from a file of tensors under our names."""
    net = YOLOv3SPP()
    load_into(net, read_darknet(net, path) if path.suffix in SUFFIXES else read_state(path), path.name)
    return net


class Yolo:
    """AlphaPose's detector."""

    def __init__(self, net: YOLOv3SPP, plan: Plan, confidence: float, side: int = SIDE) -> None:
        self._net = Detecting(net, side).requires_grad_(False).eval().to(plan.device)
        self._plan = dataclasses.replace(plan, rows=ON_CPU if plan.device == "cpu" else ON_GPU)
        self._confidence, self._side = confidence, side

    def __call__(self, chunks: Iterable[Chunk]) -> Generator[tuple[Chunk, list[Found]], None, None]:
        """See :data:`Detector`."""
        yield from beside(chunks, self._detect, lambda chunk: bool(chunk.frames), [])

    def _detect(self, chunks: Iterator[Chunk]) -> Iterator[list[Found]]:
        sizes: list[tuple[int, int]] = []

        def load(chunk: Chunk) -> Item:
            return Item(chunk.id, len(chunk.frames), [letterbox(frame, self._side) for frame in chunk.frames])

        def noted() -> Iterator[Chunk]:
            for chunk in chunks:
                sizes.append(chunk.frames[0].shape[:2])
                yield chunk

        for _, predictions in infer(self._net, noted(), load, self._plan, self._to_input, "yolov3"):
            height, width = sizes.pop(0)
            rows = [people_rows(prediction, self._confidence) for prediction in predictions]
            yield [Found(boxes_back(one[:, :4], height, width, self._side), one[:, 4]) for one in rows]

    def _to_input(self, pictures: Array) -> Tensor:
        return torch.from_numpy(pictures).to(self._plan.device).permute(0, 3, 1, 2).float() / 255


def load_library(name: str, path: Path | None) -> nn.Module:
    """torchvision's ``ssdlite``, ``fasterrcnn`` or ``keypointrcnn``, from a file that is there, strictly; nothing is downloaded. Without a
    file its weights are random."""
    from torchvision.models import detection

    make: Any = {
        "ssdlite": detection.ssdlite320_mobilenet_v3_large,
        "fasterrcnn": detection.fasterrcnn_resnet50_fpn_v2,
        "keypointrcnn": detection.keypointrcnn_resnet50_fpn,
    }[name]
    net: nn.Module = make(weights=None, weights_backbone=None)
    return net if path is None else load_into(net, read_state(path), path.name)


class Library:
    """A detector of torchvision, called as it is: one frame at a time in each lane, eager, float32."""

    def __init__(self, net: nn.Module, plan: Plan, confidence: float) -> None:
        self.net = net.requires_grad_(False).eval().to(plan.device)
        self._plan, self._confidence = plan, confidence
        refuse_runtime(plan)

    def __call__(self, chunks: Iterable[Chunk]) -> Generator[tuple[Chunk, list[Found]], None, None]:
        """See :data:`Detector`."""
        yield from beside(chunks, self._detect, lambda chunk: bool(chunk.frames), [])

    def _detect(self, chunks: Iterator[Chunk]) -> Iterator[list[Found]]:
        return in_order(self._all, chunks, self._plan.lanes, one_thread)

    def _all(self, chunk: Chunk) -> list[Found]:
        said = [people_said(self.net, frame, self._plan.device, self._confidence) for frame in chunk.frames]
        return [Found(one["boxes"], one["scores"]) for one in said]


def refuse_runtime(plan: Plan) -> None:
    """A library's network is called as the library has it; raises ConfigError if something else was asked for."""
    if plan.runtime != "eager" or plan.precision != "float32":
        raise ConfigError("torchvision's detectors compute eagerly and in float32", hint="runtime=eager precision=float32")


@torch.inference_mode()
def people_said(net: nn.Module, frame: Array, device: str, confidence: float) -> dict[str, Floats]:
    """What a detector of torchvision says of the people of a frame (H, W, 3) of whom it is surer than ``confidence``."""
    picture = torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1).float() / 255
    said = net([picture])[0]
    kept = (said["labels"] == LABEL) & (said["scores"] > confidence)
    return {name: value[kept].float().cpu().numpy() for name, value in said.items() if name != "labels"}
