"""AFSD's arrays of a video, ``<video>.npy``: T sampled frames, uint8 (T, H, W, 3) = rgb, and their flow, uint8 (T, H, W, 2) = (x, y).

T sampled frames have T - 1 flows; the last is repeated. Codes are those of :mod:`media.codings.quantise`, bound 20.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.npy import Form, open_npy

Codes = npt.NDArray[np.uint8]

#: frames a second that AFSD samples
RATE = 10.0
FORM = Form("uint8", (None, None, None, 2))
RGB = Form("uint8", (None, None, None, 3))


def stack(flows: Codes) -> Codes:
    """(T - 1, H, W, 2) flows between neighbours of T sampled frames, as (T, H, W, 2): the last is repeated."""
    return np.concatenate([flows, flows[-1:]])


def sampled(fps: float, count: int, rate: float = RATE) -> npt.NDArray[np.int64]:
    """Which of ``count`` frames are kept at ``rate`` a second: a counter grows by 1 a frame; at fps / rate it keeps one, and loses that."""
    kept, counter = [], 0.0
    for number in range(count):
        counter += 1
        if counter >= fps / rate:
            kept.append(number)
            counter -= fps / rate
    return np.array(kept, np.int64)


def kept(fps: float, count: int, rate: float = RATE) -> npt.NDArray[np.int64]:
    """Which of the ``count`` - 1 flows of a whole video are kept, for as many as frames are kept of it: the last is repeated to that.

    AFSD's second way, which it does not use: flow at the full rate, then thinned as its frames are. Raises ValueError if none is left.
    """
    flows, frames = sampled(fps, count - 1, rate), len(sampled(fps, count, rate))
    if not len(flows):
        raise ValueError(f"{count} frames at {fps:g} a second have no flow at {rate:g} a second")
    return np.concatenate([flows, np.repeat(flows[-1:], frames - len(flows))])


def write(path: Path, flows: Iterable[Codes], count: int, channels: int = 2) -> None:
    """Write ``count`` flows (H, W, 2) as (count, H, W, 2), one at a time: a long video is never in memory as a whole.

    With 3 ``channels`` they are frames. Raises DataError if they are not all of one size, ValueError if they are not ``count``, or not
    uint8 of so many channels.
    """
    noun, array = "flow" if channels == FORM.shape[-1] else "frame", None
    for number, flow in enumerate(flows):
        if array is None:
            if flow.dtype != np.uint8 or flow.ndim != 3 or flow.shape[-1] != channels:
                raise ValueError(f"expected uint8 [any, any, {channels}], not {flow.dtype} {list(flow.shape)}")
            array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *flow.shape))
        if flow.shape != array.shape[1:]:
            (height, width, _), (first_height, first_width, _) = flow.shape, array.shape[1:]
            raise DataError(f"{path}: {noun} {number} has {width} x {height} pixels, the first {first_width} x {first_height}")
        array[number : number + 1] = flow
    if array is None or number + 1 != count:
        raise ValueError(f"{0 if array is None else number + 1} {noun}s, where {count} were promised")
    array.flush()


def read(path: Path, frames: int | None = None) -> Codes:
    """The flows (T, H, W, 2), mapped; ``frames`` is ``sample_count`` of the table of videos, if it is known.

    Raises DataError naming the file if it is not there, damaged, no such array, or of another length than ``frames``.
    """
    found: Codes = open_npy(path, form=FORM, hint="AFSD's flow is x and y in 8 bits for every sampled frame")
    if frames is not None and len(found) != frames:
        raise DataError(f"{path} has {len(found)} flows, where the table of videos says {frames} frames")
    return found


def read_rgb(path: Path) -> Codes:
    """The frames (T, H, W, 3), mapped. Raises DataError naming the file if it is not there, damaged, or no such array."""
    frames: Codes = open_npy(path, form=RGB, hint="AFSD's frames are rgb in 8 bits, ten a second")
    return frames
