"""Parity of I3D and Top-I3D, RGB and flow: every endpoint, and the logits, from a case's configuration."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from models.backbones import i3d
from tests.parity.case import Case, handles


@handles("rec_i3d_*", "rec_topi3d_*")
def endpoints(case: Case) -> dict[str, Any]:
    """Every clip of the case through the network: summaries of all endpoints, the last map, the logits."""
    net = after_fill(case, case.fill(build(case))).eval()
    outputs: dict[str, Any] = {}
    clips = case.inputs
    with torch.inference_mode():
        for clip, stored in clips.items():
            maps = net.stages(torch.from_numpy(enlarge(stored, recipe(case, clip))))
            last = maps[net.endpoints[-1]]
            for name, value in maps.items():
                outputs |= {f"{clip}.{key}": summary for key, summary in summaries(name, value).items()}
                outputs[f"{clip}.{name}"] = value
            named = {"Mixed_5c": last}
            if net.logits is not None and all(size >= window for size, window in zip(last.shape[2:], (2, 7, 7))):
                named["logits"] = net.forward_head(last)
            outputs |= {f"{clip}.{key}": value for key, value in named.items()} | (named if len(clips) == 1 else {})
    return outputs


def build(case: Case) -> i3d.I3D:
    """The network of a case. Its state says which endpoints have temporal kernels of 1 (the two published classes share a name)."""
    config = case.config
    shapes = {name: tuple(shape) for name, shape in case.meta["state"].items()}
    top = shapes["Conv3d_2c_3x3.conv3d.weight"][2] == 1
    make = i3d.topi3d if top else i3d.i3d
    return make(config.get("num_classes", 400), config.get("in_channels", 3), final_endpoint=config.get("final_endpoint", "Logits"))


def after_fill(case: Case, net: torch.nn.Module) -> torch.nn.Module:
    """Change the filled state as the case says, in float32: by the end of a name, or entry by entry (``add``, ``multiply``)."""
    state = net.state_dict()
    for text, told in (case.meta.get("after_fill") or {}).items():
        match = re.fullmatch(r"multiply entries whose name ends with (\S+) by", text)
        if match is None and text not in ("add", "multiply"):
            raise NotImplementedError(f"after_fill: {text}")
        changes = told if match is None else {name: told for name in state if name.endswith(match[1])}
        for name, number in changes.items():
            (state[name].add_ if text == "add" else state[name].mul_)(float(number))
    return net


def recipe(case: Case, clip: str) -> str:
    """What the case says of one input clip."""
    told = case.meta.get("inputs") or {}
    return str(told.get(clip, "used as is"))


def enlarge(stored: np.ndarray, text: str) -> np.ndarray:
    """Repeat the axes that ``text`` names: ``repeat axis 2 x2, axis 3 x8, axis 4 x8``, or ``axes 3,4 x8``."""
    for axes, times in re.findall(r"\bax[ei]s (\d+(?:,\s*\d+)*) x(\d+)", text):
        for axis in axes.split(","):
            stored = stored.repeat(int(times), axis=int(axis))
    return np.ascontiguousarray(stored)


def summaries(name: str, value: torch.Tensor) -> dict[str, np.ndarray]:
    """Shape, mean, deviation, largest entry and sum of a map, and its first and last corner."""
    array = value.numpy()
    wide = array.astype(np.float64)
    return {
        f"{name}.shape": np.array(array.shape),
        f"{name}.stats": np.array([wide.mean(), wide.std(ddof=1), np.abs(wide).max(), wide.sum()]),
        f"{name}.head": array[0, :4, 0, :4, :4],
        f"{name}.tail": array[0, -4:, -1, -4:, -4:],
    }
