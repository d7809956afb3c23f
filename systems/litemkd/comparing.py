"""Students, experts and teachers as what is made of single clips and what compares it: for classes that somebody shows.

Clips are seen as in the evaluation: the middle of their frames. What experts see passes their trunks one clip at a time, as in dumps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.prediction import Made
from systems.litemkd.clips import Clips
from systems.litemkd.heads import Prepared
from systems.litemkd.mfm import MFM
from systems.litemkd.networks import Network
from systems.litemkd.prepared import joined


class Comparing(Protocol):
    """A network whose clips are prepared once, and compared."""

    def opened(self, made: Made) -> list[Clips]:
        """The pictures of files, of each modality that it sees."""

    def prepared(self, clips: Sequence[Clips], ids: Sequence[str]) -> Prepared:
        """What it needs of clips, as support and as queries."""

    def logits(self, support: Prepared, labels: Tensor, query: Prepared) -> Tensor:
        """Logits (Nq, W) of query clips; ``labels`` (Ns,) are those of the support clips."""


@dataclass(frozen=True)
class Student:
    """A student; ``batch`` clips pass its backbone together."""

    network: Network
    device: str
    batch: int

    def opened(self, made: Made) -> list[Clips]:
        """Its frames."""
        return [Clips(made.inputs["frames"], made.items["frames"], frames=self.network.frames)]

    def prepared(self, clips: Sequence[Clips], ids: Sequence[str]) -> Prepared:
        """What its head needs of clips."""
        look, lots = self.network.look, []
        for start in range(0, len(ids), self.batch):
            views = np.stack([look.of(clips[0], id) for id in ids[start : start + self.batch]])
            lots.append(self.network.model.prepare(look.input(torch.from_numpy(views), self.device)))
        found: Prepared = joined(lots)
        return found

    def logits(self, support: Prepared, labels: Tensor, query: Prepared) -> Tensor:
        """What its head says."""
        head = self.network.model.classifier
        found: Tensor = head.answer(head.match(support, labels, query))
        return found


@dataclass(frozen=True)
class Expert:
    """A network of one modality, whose pictures are the input ``pictures``."""

    network: Network
    device: str
    pictures: str = "frames"

    def opened(self, made: Made) -> list[Clips]:
        """The pictures of its modality."""
        look = self.network.look
        return [Clips(made.inputs[self.pictures], made.items[self.pictures], frames=look.frames, side=look.side)]

    def prepared(self, clips: Sequence[Clips], ids: Sequence[str]) -> Prepared:
        """The frame features (N, T, V) that it dumps for the teacher."""
        look, model = self.network.look, self.network.model
        views = (torch.from_numpy(look.of(clips[0], id)[None]) for id in ids)
        return {"features": torch.cat([model.features(look.input(view, self.device)) for view in views])}

    def logits(self, support: Prepared, labels: Tensor, query: Prepared) -> Tensor:
        """What it says alone."""
        model = self.network.model
        found: Tensor = model.answer(model.match(support["features"], labels, query["features"]))
        return found


@dataclass(frozen=True)
class Teacher:
    """A teacher, and the experts whose features it fuses, in its order."""

    network: MFM
    experts: Mapping[str, Expert]

    def opened(self, made: Made) -> list[Clips]:
        """The pictures of all modalities."""
        return [clips for expert in self.experts.values() for clips in expert.opened(made)]

    def prepared(self, clips: Sequence[Clips], ids: Sequence[str]) -> Prepared:
        """The fused features (N, T, D), as support and as queries."""
        parts = [expert.prepared([own], ids)["features"] for expert, own in zip(self.experts.values(), clips, strict=True)]
        return {side: self.network.fuse(parts, side) for side in ("support", "query")}

    def logits(self, support: Prepared, labels: Tensor, query: Prepared) -> Tensor:
        """What its head says."""
        return self.network.match(support["support"], labels, query["query"])


def short(clips: Sequence[Clips]) -> dict[str, str]:
    """Why files have too few frames (ids), in any modality."""
    found: dict[str, Any] = {}
    for own in clips:
        found |= own.short
    return found
