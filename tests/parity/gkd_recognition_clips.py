"""Parity of what gkd's recognition does to pictures before a network sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.crops import Box
from systems.gkd.recognition.views import View, centre_view, crop_corners, crop_sizes, mirrored, network_input, scale, see
from tests.parity.case import Case, handles

Array = npt.NDArray[Any]


def unstacked(pictures: Array, channels: int) -> Array:
    """(H, W, T*C) as a case has it -> (T, H, W, C)."""
    height, width, _ = pictures.shape
    return np.moveaxis(pictures.reshape(height, width, -1, channels), 2, 0)


def stacked(clip: Array) -> Array:
    """(T, H, W, C) -> (H, W, T*C)."""
    return np.moveaxis(clip, 0, 2).reshape(*clip.shape[1:3], -1)


def seen(clip: Array, view: View, size: int) -> Array:
    return stacked(see(clip, view, size))


@handles("rec_transforms*")
def transforms(case: Case) -> dict[str, Any]:
    """Every transform that the outputs name, with its numbers read off the name."""
    size = case.config["multiscale"]["size"][0]
    clips = {name: unstacked(value, 2 if name == "flow" else 3) for name, value in case.inputs.items()}
    rgb = clips["rgb"]
    height, width = rgb.shape[1:3]
    ratios = {name: case.config["multiscale"][f"{name}_ratios"] for name in ("rgb", "flow")}
    sizes = {name: crop_sizes(height, width, ratios[name]) for name in ratios}
    corners = crop_corners(height, width, size)
    found: dict[str, Any] = {
        "crop_sizes": np.array(sizes["rgb"]),
        "crop_sizes_flow": np.array(sizes["flow"]),
        "offsets": np.array(corners),
        "scale_noop": stacked(scale(rgb, min(height, width))),
    }
    for name in case.outputs:
        kind, _, rest = name.partition("_")
        words = rest.split("_")
        if kind == "scale" and words[-1] == "published":
            found[name] = stacked(scale(clips[words[0]], int(words[1]), flow_scale="half"))
        elif kind == "scale" and words[0] in clips:
            found[name] = stacked(scale(clips[words[0]], int(words[1])))
        elif kind == "center":
            clip, crop = clips[words[0]], int(words[1])
            found[name] = seen(clip, centre_view(*clip.shape[1:3], crop), crop)
        elif kind == "msc":
            box = Box(*corners[int(words[2])], *sizes[words[0]][int(words[1])])
            found[name] = seen(clips[words[0]], View(box, False), size)
        elif kind == "norm":
            clip = clips[words[0]]
            crop = case.outputs[name].shape[-1]
            found[name] = channels_first(network_input(see(clip, centre_view(height, width, crop), crop)))
        elif name == "tensor_rgb":
            crop = case.outputs[name].shape[-1]
            found[name] = channels_first(np.moveaxis(see(rgb, centre_view(height, width, crop), crop), -1, 0) / np.float32(255))
    found["flip"] = stacked(mirrored(rgb))
    for pattern in ("scale_*", "msc_*"):
        case.allow(pattern, absolute=1.0)  # OpenCV rounds its fixed-point sums otherwise: one grey level, as the case says
    return {name: np.asarray(value) for name, value in found.items()}


def channels_first(clip: Array) -> Array:
    """(C, T, H, W) -> (T*C, H, W)."""
    return np.moveaxis(clip, 0, 1).reshape(-1, *clip.shape[2:])
