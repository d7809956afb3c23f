"""Build the frozen network of an ``extract`` stage and put its weights in.

Weights come from a file that the user named, or are the shipped ones, or, only when asked for by name, random. Nothing is
downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from cache.errors import ConfigError
from models import weights as table
from models.backbones import converted
from models.backbones.published import load_into, read_state
from models.backbones.registry import Backbone, build, options_of


def load_network(entry: Backbone, weights: str, file: Path | None, *, image_size: int, frames: int, seed: int, device: str) -> nn.Module:
    """Return the network in evaluation mode on ``device``, its parameters frozen.

    ``frames`` and ``image_size`` are the clip that it will see. Raises ConfigError or DataError that say what to type.
    """
    options: dict[str, Any] = {"sample_size": image_size, "sample_duration": frames} if entry.window else {}
    if weights == "random":
        torch.manual_seed(seed)
        net = build(entry.name, **options)
    else:
        path = weights_path(entry, weights, file)
        state = read_state(path)
        options |= options_of(entry.name, state)
        net = load_into(build(entry.name, **options), state, path.name)
    return net.requires_grad_(False).eval().to(torch.device(device))


def weights_path(entry: Backbone, weights: str, file: Path | None) -> Path:
    """The file that holds ``weights`` for ``entry``, checked against the table's digest where it has one.

    ``weights`` may also be the name under which other weights were imported: ``file`` must be those then, and of this network.
    """
    setting = f"--set extract.{entry.kind}.weights_file=PATH"
    if weights == "file":
        if file is None:
            raise ConfigError(f"weights=file for {entry.name} needs a path", hint=setting)
        return file
    if weights == "world" and not any(known.name == f"{entry.name}.world" for known in table.of_backbone(entry.name)):
        names = [known.name.partition(".")[2] for known in table.of_backbone(entry.name)]
        choice = f"--set extract.{entry.kind}.weights={names[0] if names else 'file'}"
        hint = f"{choice} {setting} (or weights=random, flagged in every report)"
        raise ConfigError(f"no weights are shipped for {entry.name}", hint=hint)
    full = f"{entry.name}.{weights}"
    if full not in table.WEIGHTS and file is not None and file.stem in (weights, full) and converted.origin_of(file) is not None:
        origin = converted.verify(file)
        if origin.backbone != entry.name:
            raise ConfigError(f"the imported weights {weights} are of {origin.backbone}, not of {entry.name}", hint="kdpipe weights ls")
        return file
    known = table.find(entry.name, weights)
    if known.shipped:
        return table.check(known, table.SHIPPED / known.file)
    if file is None:
        raise ConfigError(
            f"the weights {weights} of {entry.name} are not shipped, and kdpipe downloads nothing by itself",
            hint=f"fetch {known.file} from {known.source}, then: kdpipe weights import {known.file}   (or {setting})",
        )
    return table.check(known, file)
