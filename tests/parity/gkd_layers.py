"""Parity of the building blocks of gkd's networks: units over clips and over time, and pooling that pads with zeros."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from models.backbones.i3d import Unit, max_pool
from systems.gkd.detection.layers import Unit1d, WholeMap
from tests.parity.case import Case, handles, load_filled

DIGITS = re.compile(r"p(\d)(\d)(\d)_(\d)(\d)(\d)")

#: blocks made with a ReLU after a convolution that has a bias; the case does not say which, except by outputs without negative entries
ACTIVATED = ("u1d_k3s1", "u1d_k3s2", "l3d_same")


@handles("rec_layers*")
def layers(case: Case) -> dict[str, Any]:
    """Every input through the block that its name and the state's shapes name."""
    found: dict[str, Any] = {}
    for name, array in case.inputs.items():
        block, _, _ = name.partition(".")
        x = torch.from_numpy(array)
        pool = DIGITS.fullmatch(block)
        if pool is not None:
            digits = tuple(map(int, pool.groups()))
            found[name] = max_pool(x, digits[:3], digits[3:])
            continue
        net = built(case, block).eval()
        with torch.no_grad():
            y = net(x).relu() if block in ACTIVATED else net(x)
            found |= {name: y, f"{name}.eval": y}
            if isinstance(net, Unit) and net.bn is not None:
                found[f"{name}.train"] = net.train()(x)
                found |= {f"{name}.{part}_after": value.clone() for part, value in net.bn.named_buffers()}
    return found


def built(case: Case, block: str) -> nn.Module:
    """The block of that name, filled: its kernel from the state, its stride from the configuration or the name."""
    shapes = {name: shape for name, shape in case.meta["state"].items() if name.startswith(f"{block}.")}
    (outputs, inputs, *kernel) = next(shape for name, shape in shapes.items() if name.endswith("d.weight"))
    net: nn.Module
    if f"{block}.conv1d.weight" in shapes:
        stride = int(re.search(r"s(\d)", block)[1])  # type: ignore[index]
        net = Unit1d(inputs, outputs, kernel[0], stride)
    elif block.endswith("spvalid"):  # no padding in a picture, as the pyramid and the attention have it
        net = WholeMap(inputs, outputs, kernel[-1])
    else:
        stride = case.config.get("units", {}).get(block, {}).get("stride", [1, 1, 1])
        net = Unit(inputs, outputs, tuple(kernel), tuple(stride), norm=f"{block}.bn.weight" in shapes)
    holder = nn.Module()
    holder.add_module(block, net)
    load_filled(holder, shapes, int(case.meta.get("seed") or 0))
    return net
