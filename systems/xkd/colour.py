"""Colours of a clip changed as Pillow changes those of a picture, all frames at once (spec 2.5).

Clips are uint8 planes (3, T, H, W): red, green, blue. Pillow keeps hue and saturation as bytes, which moves colours by up to six levels;
the published networks saw these. So its steps are followed, some of them by tables: a level may differ by one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.training.crops import Pick, Uniform

Planes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: by how much brightness, contrast and saturation may be more or less than as they are, and hue, of which 1 is the whole circle
STRENGTH = (0.4, 0.4, 0.4, 0.2)
#: of red, green and blue in grey: ITU-R 601, in 65536ths
GREY = (19595, 38470, 7471)
#: frames at a time: as many as a processor's cache holds
BLOCK = 4
#: sigma of the published blur, across and down (quirk 9), and the bounds between which the mended one is drawn
FIXED_SIGMA, SIGMAS = (0.1, 2.0), (0.1, 2.0)


class Jitter(NamedTuple):
    """Factors (1: as it is), a shift of the hue, and in which order the four are applied."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: tuple[int, ...]


def random_jitter(uniform: Uniform, pick: Pick, strength: tuple[float, float, float, float] = STRENGTH) -> Jitter:
    """Factors uniform in [max(0, 1 - x), 1 + x], the hue in [-x, x], in any order."""
    brightness, contrast, saturation = (uniform(max(0.0, 1 - x), 1 + x) for x in strength[:3])
    hue = uniform(-strength[3], strength[3])
    left = [0, 1, 2, 3]
    return Jitter(brightness, contrast, saturation, hue, tuple(left.pop(pick(len(left))) for _ in range(4)))


def jittered(clip: Planes, jitter: Jitter) -> Planes:
    """All four changes, one after the other."""
    changes = (
        (brightened, jitter.brightness),
        (contrasted, jitter.contrast),
        (saturated, jitter.saturation),
        (hue_shifted, jitter.hue),
    )
    done = np.empty_like(clip)
    for first in range(0, clip.shape[1], BLOCK):
        part = clip[:, first : first + BLOCK]
        for number in jitter.order:
            change, by = changes[number]
            part = change(part, by)
        done[:, first : first + BLOCK] = part
    return done


def brightened(clip: Planes, factor: float) -> Planes:
    """All levels times a factor."""
    return _blend(np.float32(0), clip.astype(np.float32), factor)


def contrasted(clip: Planes, factor: float) -> Planes:
    """Each frame's levels moved away from its mean grey, or towards it."""
    means = np.floor(grey(clip).mean(axis=(1, 2), dtype=np.float64) + 0.5).astype(np.float32)
    return _blend(means[:, None, None], clip.astype(np.float32), factor)


def saturated(clip: Planes, factor: float) -> Planes:
    """Each pixel moved away from its grey, or towards it."""
    middle = grey(clip).astype(np.float32)
    return np.stack([_blend(middle, plane.astype(np.float32), factor) for plane in clip])


def grey(clip: Planes) -> Planes:
    """(3, T, H, W) to (T, H, W)."""
    red, green, blue = (plane.astype(np.uint32) * weight for plane, weight in zip(clip, GREY, strict=True))
    return ((red + green + blue + 0x8000) >> 16).astype(np.uint8)


def hue_shifted(clip: Planes, shift: float) -> Planes:
    """Every hue turned by a share of the circle, in [-0.5, 0.5]."""
    red, green, blue = clip
    most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    span, gap = most - least, most + most + least - red - green - blue  # bytes that wrap, as the results fit
    which = sum((plane == other).view(np.uint8) << bit for bit, (plane, other) in enumerate(_places(red, green, most, least)))
    hues = _hues().take(_pairs(span, gap) | which.astype(np.intp) << 16, mode="clip") + np.uint8(int(shift * 255) % 256)
    depth = _depths().take(_pairs(span, most), mode="clip")
    bright, turned = most.astype(np.float32) + np.float32(0.5), hues.astype(np.intp)
    return np.stack([(bright - depth * missing.take(turned, mode="clip")).astype(np.uint8) for missing in _missing()])


def blurred(clip: Planes, size: int, sigma: tuple[float, float]) -> Planes:
    """Gaussian of ``size`` pixels, an odd number; sigma across and down; edges are mirrored."""
    done = clip.astype(np.float32)
    for axis, deviation in ((3, sigma[0]), (2, sigma[1])):
        done = _smoothed(done, axis, size // 2, deviation)
    return np.rint(done).astype(np.uint8)


def _blend(degenerate: Floats | np.float32, clip: Floats, factor: float) -> Planes:
    """Pillow's: rounded down."""
    return np.clip(degenerate + np.float32(factor) * (clip - degenerate), 0, 255).astype(np.uint8)


def _smoothed(clip: Floats, axis: int, radius: int, sigma: float) -> Floats:
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    weights = (weights / (weights[0] + 2 * weights[1:].sum())).astype(np.float32)
    if weights[0] > 1 - 1e-6:
        return clip
    side = clip.shape[axis]
    mirrored = np.pad(clip, [(radius, radius) if number == axis else (0, 0) for number in range(4)], mode="reflect")

    def moved(by: int) -> Floats:
        return mirrored[(slice(None),) * axis + (slice(radius + by, radius + by + side),)]

    done = weights[0] * clip
    for by in range(1, radius + 1):
        done += weights[by] * (moved(by) + moved(-by))
    return done


def _places(red: Any, green: Any, most: Any, least: Any) -> tuple[tuple[Any, Any], ...]:
    """What, compared, says of a pixel which channel is the brightest and which the darkest: bits of a number of four."""
    return (red, most), (green, most), (red, least), (green, least)


def _pairs(high: Planes, low: Planes) -> npt.NDArray[np.intp]:
    """Two bytes as one number."""
    return (high.astype(np.uint16) << 8 | low).astype(np.intp)


@lru_cache(maxsize=1)
def _hues() -> Planes:
    """The hue as a byte, by the bits of :func:`_places`, most - least and most - middle; flat."""
    span, gap = np.arange(256, dtype=np.float32)[:, None], np.arange(256, dtype=np.float32)
    table = np.zeros((16, 256, 256), np.uint8)
    fits = (gap <= span) & (span > 0)
    part = np.where(fits, gap / np.maximum(span, 1), 0)  # of the middle channel; that of the darkest is 1, of the brightest 0
    for bits in range(16):
        red_most, green_most, red_least, green_least = (bool(bits >> place & 1) for place in range(4))
        if red_most:
            turns = part - np.float32(1) if green_least else np.float32(1) - part
        elif green_most:
            turns = 2.0 + np.float32(1) - part.astype(np.float64) if red_least else 2.0 + part.astype(np.float64) - 1.0
        else:
            turns = 4.0 + np.float32(1) - part.astype(np.float64) if green_least and not red_least else 4.0 + part.astype(np.float64) - 1.0
        circle = np.fmod(turns.astype(np.float32).astype(np.float64) / 6.0 + 1.0, 1.0).astype(np.float32)
        table[bits] = np.where(fits, circle.astype(np.float64) * 255.0, 0).astype(np.uint8)
    return table.ravel()


@lru_cache(maxsize=1)
def _depths() -> Floats:
    """By how much the darkest channel is below the brightest, from a saturation in bytes: (most - least, most), flat."""
    span, most = np.arange(256, dtype=np.float32)[:, None], np.arange(256, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        bytes_ = np.where(most > 0, np.floor(np.minimum(span / most, 1).astype(np.float64) * 255.0), 0)
    return (most * bytes_ / 255.0).astype(np.float32).ravel()


@lru_cache(maxsize=1)
def _missing() -> tuple[Floats, Floats, Floats]:
    """For every hue, how much of the depth red, green and blue are below the brightest."""
    turns = np.arange(256, dtype=np.float32).astype(np.float64) * 6.0 / 255.0
    sector = np.floor(turns).astype(int)
    rest = (turns - sector).astype(np.float32)
    p, q, t, v = np.ones(256, np.float32), rest, np.float32(1) - rest, np.zeros(256, np.float32)
    rows = {0: (v, t, p), 1: (q, v, p), 2: (p, v, t), 3: (p, q, v), 4: (t, p, v), 5: (v, p, q)}
    return tuple(np.choose(sector % 6, [rows[number][channel] for number in range(6)]) for channel in range(3))  # type: ignore[return-value]
