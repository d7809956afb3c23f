"""Darknet's weight files: a header, then float32 numbers without names, in the order of the network's layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cache.errors import DataError
from cache.given import plain_file

#: of int32: version (major, minor, revision) and the pictures seen (two)
HEADER = 5
#: how the names of such files end
SUFFIXES = (".weights", ".backup")


def read_darknet(net: nn.Module, path: Path) -> dict[str, Tensor]:
    """The state dict of ``net`` from a Darknet file: for each convolution, in the order in which they are declared, the bias, weight,
    mean and variance of its normalisation, or its own bias, and then its weights. ``net`` may be on the meta device.

    Raises DataError if the file is not there or has another length.
    """
    plain_file(path, f"weights file {path}", hint="kdpipe never downloads weights: fetch the file and give its path")
    order = names(net)
    own = net.state_dict()
    needed = sum(own[name].numel() for name in order)
    size = path.stat().st_size
    if size != 4 * (HEADER + needed):
        raise DataError(
            f"{path} does not fit {type(net).__name__}: {size:,} bytes, not {4 * (HEADER + needed):,}",
            hint="a Darknet weight file of exactly this network is needed (yolov3-spp.weights)",
        )
    numbers = np.fromfile(path, np.float32, offset=4 * HEADER)
    state = {name: torch.zeros((), dtype=torch.int64) for name in own if name.endswith("num_batches_tracked")}
    start = 0
    for name in order:
        count = own[name].numel()
        state[name] = torch.from_numpy(numbers[start : start + count].reshape(own[name].shape))
        start += count
    return state


def names(net: nn.Module) -> list[str]:
    """The entries of ``net`` in the order of the file. A normalisation is declared after the convolution that it follows."""
    parts = list(net.named_modules())
    order: list[str] = []
    for place, (name, part) in enumerate(parts):
        if not isinstance(part, nn.Conv2d):
            continue
        after, norm = parts[place + 1] if place + 1 < len(parts) else ("", None)
        if isinstance(norm, nn.BatchNorm2d):
            order += [f"{after}.{entry}" for entry in ("bias", "weight", "running_mean", "running_var")]
        elif part.bias is not None:
            order.append(f"{name}.bias")
        order.append(f"{name}.weight")
    return order
