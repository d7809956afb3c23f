"""RandAugment as video fine-tuning uses it: ``rand-m7-n4-mstd0.5-inc1``, alike for all frames (Cubuk et al., NeurIPS 2020; spec 10.4).

Fifteen operations on pictures; their strength grows with a magnitude of 0 to 10. A picture is Pillow's, uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from models.training.crops import At, Pick, Uniform, picks, uniforms

Picture = Image.Image
Frames = npt.NDArray[np.uint8]
#: operations a clip, how often each is applied, the magnitude's mean, deviation and maximum
COUNT, CHANCE, MAGNITUDE, DEVIATION, MOST = 4, 0.5, 7.0, 0.5, 10.0
#: what comes from beyond the border
FILL = (128, 128, 128)


class Operation(NamedTuple):
    """``apply(picture, argument)``; ``argument(magnitude)``; whether the argument's sign is drawn."""

    apply: Callable[[Picture, float], Picture]
    argument: Callable[[float], float]
    signed: bool = False


class Step(NamedTuple):
    """An operation by name and its argument: the same for all frames."""

    name: str
    argument: float


def randaugment(frames: Frames, at: At) -> Frames:
    """Frames (T, H, W, 3) after the operations that are drawn for this place of a training."""
    return applied(frames, random_steps(uniforms(at), picks(at)))


def random_steps(uniform: Uniform, pick: Pick) -> list[Step]:
    """Four operations, any of them several times, of which about two are applied."""
    names, steps = list(OPERATIONS), []
    for _ in range(COUNT):
        name = names[pick(len(names))]
        apply, strength, negative = uniform(0, 1) < CHANCE, uniform(0, 1), uniform(0, 1) < 0.5
        if not apply:
            continue
        magnitude = MAGNITUDE + DEVIATION * NormalDist().inv_cdf(max(strength, 2.0**-60))
        steps.append(step(name, min(max(magnitude, 0.0), MOST), negative=negative))
    return steps


def step(name: str, magnitude: float, *, negative: bool = False) -> Step:
    """An operation of a magnitude from 0 to 10; ``negative`` counts where an operation has two directions."""
    operation = OPERATIONS[name]
    argument = operation.argument(magnitude)
    return Step(name, -argument if negative and operation.signed else argument)


def applied(frames: Frames, steps: list[Step]) -> Frames:
    """Frames (T, H, W, 3) after some operations."""
    if not steps:
        return frames
    pictures = [Image.fromarray(frame) for frame in frames]
    for one in steps:
        change = OPERATIONS[one.name].apply
        pictures = [change(picture, one.argument) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in pictures])


def _nothing(magnitude: float) -> float:
    return 0.0


def _share(of: float) -> Callable[[float], float]:
    """Grows with the magnitude up to ``of``."""
    return lambda magnitude: magnitude / MOST * of


def _rotated(picture: Picture, degrees: float) -> Picture:
    return picture.rotate(degrees, resample=Image.Resampling.BILINEAR, fillcolor=FILL)


def _moved(picture: Picture, matrix: tuple[float, float, float, float, float, float]) -> Picture:
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR, fillcolor=FILL)


def _added(picture: Picture, by: float) -> Picture:
    """Dark levels made brighter."""
    return picture.point([min(255, level + int(by)) if level < 128 else level for level in range(256)] * 3)


def _enhanced(how: Callable[[Picture], ImageEnhance._Enhance]) -> Operation:
    return Operation(lambda picture, by: how(picture).enhance(1.0 + by), _share(0.9), signed=True)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": Operation(lambda picture, _: ImageOps.autocontrast(picture), _nothing),
    "Equalize": Operation(lambda picture, _: ImageOps.equalize(picture), _nothing),
    "Invert": Operation(lambda picture, _: ImageOps.invert(picture), _nothing),
    "Rotate": Operation(_rotated, _share(30.0), signed=True),
    "PosterizeIncreasing": Operation(lambda picture, bits: ImageOps.posterize(picture, int(bits)), lambda m: 4 - int(m / MOST * 4)),
    "SolarizeIncreasing": Operation(lambda picture, level: ImageOps.solarize(picture, int(level)), lambda m: 256 - int(m / MOST * 256)),
    "SolarizeAdd": Operation(_added, lambda m: int(m / MOST * 110)),
    "ColorIncreasing": _enhanced(ImageEnhance.Color),
    "ContrastIncreasing": _enhanced(ImageEnhance.Contrast),
    "BrightnessIncreasing": _enhanced(ImageEnhance.Brightness),
    "SharpnessIncreasing": _enhanced(ImageEnhance.Sharpness),
    "ShearX": Operation(lambda picture, by: _moved(picture, (1, by, 0, 0, 1, 0)), _share(0.3), signed=True),
    "ShearY": Operation(lambda picture, by: _moved(picture, (1, 0, 0, by, 1, 0)), _share(0.3), signed=True),
    "TranslateXRel": Operation(lambda picture, by: _moved(picture, (1, 0, by * picture.size[0], 0, 1, 0)), _share(0.45), signed=True),
    "TranslateYRel": Operation(lambda picture, by: _moved(picture, (1, 0, 0, 0, 1, by * picture.size[1])), _share(0.45), signed=True),
}
