"""Build the frozen network of an ``extract`` stage and put its weights in.

Weights come from a file that the user named, or are the shipped ones, or, only when asked for by name, random. Nothing is
downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cache.stage import Context
from models.backbones.published import load_into, read_state
from models.backbones.registry import Backbone, build, options_of
from models.weight_files import locate
from models.weights import of_backbone

if TYPE_CHECKING:
    from stages.extract import CalibrationParams


def network_of(ctx: Context, params: CalibrationParams, frames: int) -> nn.Module:
    """The network of an extraction, for clips of so many ``frames``; see :func:`load_network`."""
    return load_network(
        params.network,
        params.weights,
        ctx.files.get("weights_file"),
        image_size=params.image_size or params.network.image_size,
        frames=frames,
        seed=params.random_seed,
        device=ctx.device,
        pixels=params.pixels,
    )


def load_network(
    entry: Backbone, weights: str, file: Path | None, *, image_size: int, frames: int, seed: int, device: str, pixels: str = ""
) -> nn.Module:
    """Return the network in evaluation mode on ``device``, its parameters frozen.

    ``frames`` and ``image_size`` are the clip that it will see, ``pixels`` how that becomes input: a network that knows what it was
    trained with refuses another. Raises ConfigError or DataError that say what to type.
    """
    options: dict[str, Any] = {"sample_size": image_size, "sample_duration": frames} if entry.window else {}
    if weights == "random":
        torch.manual_seed(seed)
        net = build(entry.name, **options)
    else:
        path = locate(entry.name, weights, file, of_backbone(entry.name), f"extract.{entry.kind}")
        state = read_state(path)
        options |= options_of(entry.name, state)
        net = load_into(build(entry.name, **options), state, path.name)
    if pixels and hasattr(net, "check_input"):
        net.check_input(pixels)
    return net.requires_grad_(False).eval().to(torch.device(device))
