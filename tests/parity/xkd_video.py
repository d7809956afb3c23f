"""Parity of the pictures that XKD's networks see; numbers are read off the outputs' names."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.crops import At, Box
from systems.xkd import audio_views, colour, video_views
from systems.xkd.sizes import SIZES
from tests.parity.case import Case, Mismatch, handles

Array = npt.NDArray[Any]


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def interleaved(planes: Array) -> Array:
    """(3, 1, H, W) to (H, W, 3)."""
    return np.moveaxis(planes, 0, -1)[0]


def changed(name: str, frames: Array) -> Any:
    """The output of a name such as ``contrast0.7``."""
    found = numbers(name)
    sizes = [int(number) for number in found]
    one = video_views.planes_of(frames[:1])
    match re.match(r"[a-z]+(?:_[a-z]+)*", name)[0]:
        case "resize_short":
            return video_views.shortened(frames, sizes[0])
        case "center":
            clip = video_views.shortened(frames, sizes[1])
            return video_views.cropped(clip, video_views.centre_box(*clip.shape[1:3], sizes[0]))
        case "resized_crop_i":
            return video_views.resized(video_views.cropped(frames, Box(*sizes[:4])), sizes[4], sizes[4])
        case "brightness":
            return interleaved(colour.brightened(one, found[0]))
        case "contrast":
            return interleaved(colour.contrasted(one, found[0]))
        case "saturation":
            return interleaved(colour.saturated(one, found[0]))
        case "hue":
            return interleaved(colour.hue_shifted(one, found[0]))
        case "gray":
            return colour.grey(one)[0]
        case "blur_k":
            return interleaved(colour.blurred(one, sizes[0], (found[1], found[2])))
        case "val_tensor":
            return video_views.linear_crops(frames, sizes[0], "same")[0]
        case "gray_clip_tensor_row":
            planes = video_views.planes_of(frames)
            grey = np.broadcast_to(colour.grey(planes), planes.shape)
            return grey[:, :, sizes[0]] / np.float32(255)  # before the normalisation
    raise Mismatch(f"out.{name}: what is this?")


@handles("video_ops*")
def operations(case: Case) -> dict[str, Any]:
    """Levels may differ by one, as between versions of Pillow, says the case."""
    case.allow("*", absolute=1.0)
    case.allow("val_tensor*", absolute=LEVEL)
    case.allow("gray_clip*", absolute=1e-5)
    return {name: changed(name, case.inputs["frames"]) for name in case.outputs}


#: a level of uint8 after the normalisation
LEVEL = 1 / 255 / 0.224 + 1e-5


@handles("test_crops*")
def crops(case: Case) -> dict[str, Any]:
    """The tall input is the wide one with height and width exchanged; as many frames as the output has."""
    frames, size = case.inputs["frames"], case.config["crop"]
    inputs = {"wide": frames, "tall": np.swapaxes(frames, 1, 2)}
    got: dict[str, Any] = {"linear_first_crop": video_views.linear_crops(frames, size, "same")[0]}
    for name in (name for name in case.outputs if name.startswith("ft_")):
        clip = video_views.padded(inputs[name.removeprefix("ft_")], case.outputs[name].shape[2])
        got[name] = np.stack(video_views.finetune_crops(clip, size))
    case.allow("linear*", absolute=LEVEL)  # Pillow's rounding, see above
    return got


@handles("view_shapes*")
def shapes(case: Case) -> dict[str, Any]:
    """Shapes of the published views, of as many local ones as the case has."""
    at = At(0, 0, 0)
    frames, samples = np.zeros((SIZES.frames, SIZES.size, SIZES.size + 9, 3), np.uint8), np.zeros(SIZES.samples, np.float32)
    for name, wanted in case.meta.items():
        kind = name.split()[0]
        if kind not in ("video", "audio"):
            continue
        content: Any = frames if kind == "video" else samples
        views = video_views if kind == "video" else audio_views
        ours = [list(views.global_view(content, at).shape)]
        ours += [list(views.local_view(content, at._replace(view=number)).shape) for number in range(1, len(wanted))]
        if ours != wanted:
            raise Mismatch(f"{name}: got {ours}, expected {wanted}")
    return {}
