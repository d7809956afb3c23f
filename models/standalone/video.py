"""Frames of a video file, and pictures of another size."""

from __future__ import annotations

from typing import Any

import av
import numpy as np


def decoded(path: str) -> tuple[Any, Any]:
    """All frames of a file, uint8 (N, H, W, 3), and their times in seconds from the first one on."""
    with av.open(path) as container:
        frames = [(frame.to_ndarray(format="rgb24"), frame.time or 0.0) for frame in container.decode(video=0)]
    times = np.array([time for _, time in frames])
    return np.stack([frame for frame, _ in frames]), times - times[0]


def at_rate(times: Any, rate: float, take: str) -> Any:
    """Numbers of the frames that are kept ``rate`` times a second: what is ``shown`` at each moment, or the ``last`` before the next."""
    off = 0.5e-3 if np.abs(times * 1000 - np.rint(times * 1000)).max() < 1e-6 else 1e-6  # of files that keep whole milliseconds
    ends = times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 0.0)
    moments = np.arange(max(1, int((ends + 2 * off) * rate))) / rate
    if take == "shown":
        return np.searchsorted(times, moments + off, side="right") - 1
    return np.searchsorted(times, moments + 1 / rate - off, side="left") - 1


def resized(frames: Any, height: int, width: int, *, smooth: bool = True, cubic: bool = False) -> Any:
    """uint8 (N, H, W, 3) in another size, bilinear or bicubic; ``smooth`` averages where it shrinks."""
    if frames.shape[1:3] == (height, width):
        return frames
    down, across = (shares(old, new, smooth, cubic) for old, new in zip(frames.shape[1:3], (height, width)))
    wide = (levels(np.einsum("HWc,wW->Hwc", frame.astype(np.float32), across)) for frame in frames)
    return np.stack([levels(np.einsum("hH,Hwc->hwc", down, frame.astype(np.float32))) for frame in wide])


def levels(values: Any) -> Any:
    """Numbers as levels of grey."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def shares(old: int, new: int, smooth: bool, cubic: bool) -> Any:
    """How much of each old pixel is in each new one: (new, old)."""
    scale = old / new
    wide = max(scale, 1.0) if smooth else 1.0
    apart = np.abs((np.arange(new)[:, None] + 0.5) * scale - 0.5 - np.arange(-4 * old, 5 * old)) / wide
    kernel = np.maximum(1 - apart, 0)
    if cubic:
        near, far = (1.5 * apart - 2.5) * apart**2 + 1, ((-0.5 * apart + 2.5) * apart - 4) * apart + 2
        kernel = np.where(apart < 1, near, np.where(apart < 2, far, 0))
    inside = kernel[:, 4 * old : 5 * old]
    if not smooth:
        inside = inside.copy()
        inside[:, 0] += kernel[:, : 4 * old].sum(1)
        inside[:, -1] += kernel[:, 5 * old :].sum(1)
    return (inside / inside.sum(1, keepdims=True)).astype(np.float32)


def short_side(frames: Any, short: int, **how: bool) -> Any:
    """Frames with a short side of so many pixels; the other one is rounded down."""
    height, width = frames.shape[1:3]
    size = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
    return resized(frames, *size, **how)


def middle(frames: Any, side: int) -> Any:
    """The square in the middle; of two middles the even offset."""
    top, left = (round((old - side) / 2) for old in frames.shape[1:3])
    return frames[:, top : top + side, left : left + side]
