"""What the encoders cost: their parameters, and the arithmetic of one clip."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from models import cost
from systems.xkd.encoder import Encoder, pooled
from systems.xkd.patches import Audio, Video
from systems.xkd.trained import Trained


class Pair(nn.Module):
    """The encoders of some modalities: inputs to features (B, D) each."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """The pooled features."""
        return [pooled(encoder(x)) for encoder, x in zip(self.encoders, inputs, strict=True)]

    def example(self, clips: int, device: str = "cpu") -> tuple[Tensor, ...]:
        """So many clips of each modality: the work does not depend on the values."""
        return tuple(torch.zeros(clips, *shape(encoder.geometry), device=device) for encoder in self.encoders)  # type: ignore[arg-type]


def shape(geometry: Video | Audio) -> tuple[int, ...]:
    """The shape of one input."""
    if isinstance(geometry, Video):
        return geometry.channels, geometry.frames, geometry.size, geometry.size
    return 1, geometry.bands, geometry.width


def pair(network: Trained, modalities: Sequence[str]) -> Pair:
    """The teachers' encoders, which are scored."""
    return Pair([network.encoder(modality) for modality in modalities])


def costs(network: Trained, modalities: Sequence[str]) -> dict[str, int]:
    """Parameters, and FLOPs of a clip; nothing is computed, so it costs no time at any size."""
    whole = pair(network, modalities)
    found = cost.parameters(whole)
    empty = copy.deepcopy(whole).to("meta")
    return {"parameters": found, "flops": cost.flops(empty, empty.example(1, "meta"))("")}


def load(network: Trained, modalities: Sequence[str], device: str) -> tuple[nn.Module, partial[tuple[Tensor, ...]]]:
    """What the timing needs of a network."""
    whole = pair(network, modalities)
    return whole, partial(whole.example, device=device)
