"""What an expert is: frames of many videos in, one product for each frame (or pair of frames) out.

Products, of a frame of H x W pixels:
  flow      float32 (H, W, 2): x and y in pixels, from the first frame of the pair to the second
  depth     float32 (H, W): metres, near is small
  skeleton  :class:`People`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError
from models.inference.batches import Array, Item
from models.inference.infer import Plan, infer

if TYPE_CHECKING:
    from torch import Tensor, nn

Job = TypeVar("Job")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class People:
    """The people of one frame, float32, in the order of COCO's 17 keypoints; P may be 0.

    keypoints: (P, 17, 3): x, y in pixels of the frame, score.
    boxes:     (P, 4): x, y, width, height in pixels.
    box_scores: (P,): of the detector. scores: (P,): of the person.
    """

    keypoints: Floats
    boxes: Floats
    box_scores: Floats
    scores: Floats

    def scaled(self, x: float, y: float) -> People:
        """The same people in a frame that is ``x`` times as wide and ``y`` times as high."""
        if x == y == 1:
            return self
        return replace(self, keypoints=self.keypoints * np.float32([x, y, 1]), boxes=self.boxes * np.float32([x, y, x, y]))


@dataclass(frozen=True)
class Setup:
    """What an expert is made of.

    height, width: of the frames; one expert sees frames of one size.
    weights:  file of its weights, already checked; None: random ones of ``seed``, or it has none.
    detector: file of the detector's weights (skeleton), None where it needs none.
    options:  the parameters of the ``derive`` stage by name (``size_rule``, ``mirror``, ``detector`` ...), for what only one expert has.
    """

    height: int
    width: int
    plan: Plan
    weights: Path | None = None
    detector: Path | None = None
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)


class Expert(Protocol):
    """A built expert."""

    def __call__(self, jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        """Yield (id, products) of ``load(job)`` for every job, in their order.

        The rows of an item are frames, uint8 RGB (H, W, 3), or pairs of them (2, H, W, 3): one product for each row. ``load`` is called
        in threads that read ahead, and rows are taken as they are needed, so that a long video is never in memory as a whole.
        """


def of_results(setup: Setup) -> Expert:
    """No expert: poses that somebody else found are looked up by video and frame, which the ``derive`` stage does itself."""
    raise ConfigError("expert=results looks at no frames", hint="--set derive.skeleton.results_file=PATH")


def by_network(
    net: nn.Module,
    jobs: Sequence[Job],
    load: Callable[[Job], Item],
    plan: Plan,
    before: Callable[[Array], Array],
    to_input: Callable[[Array], Tensor],
    after: Callable[[Array], Any],
    what: str,
) -> Iterator[tuple[str, list[Any]]]:
    """An expert of one network: ``before`` makes a row the network's size (uint8), ``to_input`` a batch of them a tensor on the device,
    ``after`` an output a product. Batches go across items; see :func:`models.inference.infer.infer` for ``net``."""

    def ready(job: Job) -> Item:
        item = load(job)
        return Item(item.id, item.count, (before(row) for row in item.rows))

    for id, outputs in infer(net, jobs, ready, plan, to_input, what):
        yield id, [after(output) for output in outputs]
