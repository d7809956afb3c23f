"""Encoders as an artifact: those of students and teachers, under the published names (spec 9).

``model.safetensors`` holds entries ``<side>.<published name>`` of the sides that there are, ``vid_student`` to ``aud_teacher``;
``model.json`` says how to build them and what they see; ``curves.jsonl`` how they learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from cache.errors import DataError
from cache.stage import Context
from models.training import artifact
from models.training.result import Result
from systems.xkd.blocks import Width
from systems.xkd.encoder import Encoder
from systems.xkd.patches import Audio, Geometry, Video
from systems.xkd.seen import Look

#: modality -> how its sides begin
PREFIX = {"video": "vid", "audio": "aud"}


class Encoders(nn.Module):
    """Encoders by side. ``video``, ``audio``: the arguments of their geometries; ``width`` that of :class:`Width`."""

    def __init__(self, sides: Sequence[str], width: Mapping[str, int], video: Mapping[str, int], audio: Mapping[str, int]) -> None:
        super().__init__()
        for side in sides:
            geometry: Geometry = Video(**video) if side.startswith("vid") else Audio(**audio)
            self.add_module(side, Encoder(geometry, Width(**width)))

    @classmethod
    def of(cls, encoders: Mapping[str, Encoder]) -> Encoders:
        """Encoders that there are already."""
        found = cls((), {}, {}, {})
        for side, encoder in encoders.items():
            found.add_module(side, encoder)
        return found

    def sides(self) -> dict[str, Encoder]:
        """Those that there are."""
        return {side: encoder for side, encoder in self.named_children() if isinstance(encoder, Encoder)}


class Trained(NamedTuple):
    """Encoders in eval mode, and their ``model.json``."""

    model: Encoders
    about: dict[str, Any]

    @property
    def look(self) -> Look:
        """What they see."""
        return Look.of_trained(self.about)

    @property
    def modalities(self) -> list[str]:
        """Those of which there are encoders."""
        return [modality for modality, prefix in PREFIX.items() if any(side.startswith(prefix) for side in self.model.sides())]

    def encoder(self, modality: str, role: str = "teacher") -> Encoder:
        """That of a modality; of a file with one of them, that one. Raises DataError if there is none."""
        sides = self.model.sides()
        own = [encoder for side, encoder in sides.items() if side.startswith(PREFIX[modality])]
        found = sides.get(f"{PREFIX[modality]}_{role}", own[0] if own else None)
        if found is None:
            hint = f"--set pretrain.{self.about['learns']}.{modality}_checkpoint=FILE, or --set graph.modalities=[...] without it"
            raise DataError(f"the encoders that were taken have none of {modality}", hint=hint)
        return found


def arguments(params: Any, sides: Sequence[str]) -> dict[str, Any]:
    """What builds the encoders of a stage's parameters."""
    views = params.views
    return {
        "sides": list(sides),
        "width": {"dim": params.width, "depth": params.depth, "heads": params.heads},
        "video": {"frames": views.frames, "size": views.size, "depth": params.cuboid, "patch": params.patch},
        "audio": {"bands": views.bands, "width": views.columns, "rows": params.patch_bands, "columns": params.patch_columns},
    }


def write(ctx: Context, result: Result, sides: Sequence[str], **about: Any) -> None:
    """Write the encoders of a training, or taken from a file; where asked for, each as a published file too."""
    params = ctx.params
    record = {"learns": params.learns, "variant": params.variant, "seed": params.seed, "views": asdict(params.views)}
    artifact.write_network(ctx.out, result, {**record, **about, "arguments": arguments(params, sides)})
    if params.publish:
        for side in sides:
            own = {name.removeprefix(f"{side}."): value for name, value in result.weights.items() if name.startswith(f"{side}.")}
            torch.save(own, ctx.out / f"{side}.pth.tar")


def read(directory: Path, device: str = "cpu") -> Trained:
    """The encoders of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    return Trained(*artifact.read_network(directory, Encoders, device))
