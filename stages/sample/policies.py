"""Which frames of a video are kept: one table of policies, each a pure function of the number of frames and their times.

A policy gives frame numbers int32 (C, F): C clips of F frames. One that reads times gives None until it is told them, since the times of a
video are known only when it has been decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int32]
#: Seconds of all frames of a video, never decreasing.
Times = Sequence[float]


def clip_indices(total: int, clips: int, frames: int = 16) -> Index:
    """Return the frame numbers (clips, frames) of C clips around C centres at equal distances, of a video of ``total`` frames.

    The rule of the features published for VideoQA (HCRN, Le et al., CVPR 2020, "extract clips with consecutive frames", which DualVGR and
    the distillation paper took over): clip k = 1..C is centred at c = floor(total k / (C + 1)) and takes c - floor(F/2) ..
    c + ceil(F/2) - 1. So a clip of odd length has its centre in the middle, and one of even length half its frames before the centre; the
    publications have even ones only. Where that reaches over an end of the video, the first or the last frame is repeated. One quirk of
    the original is kept, for it decides which frames the published features saw: a clip that is cut at the end stops at ``total - 2``
    before the padding with ``total - 1`` begins, and a clip cut at both ends is padded in front only.
    Raises ValueError if there is no frame or a number is not positive.
    """
    if min(total, clips, frames) < 1:
        raise ValueError(f"{clips} clips of {frames} frames of a video of {total}: each must be 1 or more")
    centres = np.linspace(0, total, clips + 2, dtype=np.int32)[1 : clips + 1]
    return np.array([_around(int(centre), total, frames) for centre in centres], np.int32)


def _around(centre: int, total: int, frames: int) -> list[int]:
    first = max(centre - frames // 2, 0)
    end = centre + frames - frames // 2
    if end > total:
        end = total - 1
    numbers = list(range(first, end))
    if first == 0:
        numbers = [0] * (frames - len(numbers)) + numbers
    if end == total - 1:
        numbers += [total - 1] * (frames - (end - first))
    return numbers[:frames]


def even_indices(total: int, frames: int) -> Index:
    """Return (1, frames): number i is floor(i (total - 1) / (frames - 1)), from the first frame to the last.

    The rule of few-shot recognition (the tools of TRX, Perrett et al., CVPR 2021, that Lite-MKD uses: ``floor(linspace(0, n - 1, 8))``).
    Those leave a video of fewer frames out; here frames are repeated, and the video is ``padded``.
    """
    return (np.arange(frames) * (total - 1) // max(frames - 1, 1)).astype(np.int32)[None]


def rate_indices(times: Times, rate: float, take: str = "shown", seconds: float = 0.0) -> Index:
    """Return (1, T): frames ``rate`` times a second from the first frame on, for at most ``seconds`` (0: to the end).

    ``take``, with moments t_k = k / rate after the first frame:
      ``shown``  what is on screen at t_k: the last frame that is not later (XKD, Sarkar and Etemad 2022: 8 fps)
      ``last``   the last frame before t_k+1: a counter that keeps a frame whenever a period is full (AFSD and GKD: THUMOS14 at 10 fps)
      ``next``   the first frame that is not earlier than t_k (the extractor of YouTube-8M: 1 fps)
    ``shown`` and ``last`` have a frame for each period that the video lasts, and the last frame lasts as long as the median one; ``next``
    has one for each t_k up to the last frame. There is always one. A frame that stays longer than a period is repeated.
    """
    since = np.asarray(times, np.float64) - times[0]
    slack = _slack(since)
    if take == "next":
        moments = np.arange(int((since[-1] + slack) * rate) + 1) / rate
        numbers = np.searchsorted(since, moments - slack, side="left")
    else:
        lasts = since[-1] + (np.median(np.diff(since)) if len(since) > 1 else 0.0)
        moments = np.arange(max(1, int((lasts + 2 * slack) * rate))) / rate  # two stamps are in it
        if take == "shown":
            numbers = np.searchsorted(since, moments + slack, side="right") - 1
        else:
            numbers = np.searchsorted(since, moments + 1 / rate - slack, side="left") - 1
    return numbers[: _within(moments, seconds)].astype(np.int32)[None]


def _slack(since: npt.NDArray[np.float64]) -> float:
    """By how many seconds a stamp may be off: containers of whole milliseconds (Matroska, FLV) round it to them, others to microseconds."""
    milliseconds = since * 1000
    return 0.5e-3 if np.abs(milliseconds - np.rint(milliseconds)).max() < 1e-6 else 1e-6


def all_indices(total: int, times: Times | None = None, seconds: float = 0.0) -> Index:
    """Return (1, N): every frame, or those of the first ``seconds`` after the first one."""
    last = total if times is None else _within(np.asarray(times, np.float64) - times[0], seconds)
    return np.arange(last, dtype=np.int32)[None]


def _within(moments: npt.NDArray[np.float64], seconds: float) -> int:
    """How many of the moments, the first of which is 0, are in the first ``seconds``."""
    return max(1, int(np.searchsorted(moments, seconds, side="left"))) if seconds else len(moments)


def with_next(numbers: Sequence[int], count: int) -> list[int]:
    """The numbers, and of each the one that follows it among ``count`` frames; of the last frame the one before it, if there is one."""
    beside = {number + 1 if number + 1 < count else max(0, number - 1) for number in numbers}
    return sorted(beside.union(numbers))


def is_padded(index: Index) -> bool:
    """True if a clip of ``index`` (C, F) holds a frame more than once: the video is too short for it, or too slow."""
    return any(len(set(clip)) < len(clip) for clip in index.tolist())


@dataclass(frozen=True)
class Policy:
    """How the frames are chosen from their number, their times and the params of the stage; what the ledger says where some are repeated.

    ``timed`` says of params whether the times are needed.
    """

    choose: Callable[[int, Times, Any], Index]
    short: str
    timed: Callable[[Any], bool] = lambda p: False


POLICIES = {
    "clips": Policy(
        lambda count, times, p: clip_indices(count, p.num_clips, p.frames_per_clip),
        "{count} frames are too few for {p.num_clips} clips of {p.frames_per_clip}: frames are repeated",
    ),
    "even": Policy(
        lambda count, times, p: even_indices(count, p.num_frames),
        "{count} frames are too few for {p.num_frames}: frames are repeated",
    ),
    "rate": Policy(
        lambda count, times, p: rate_indices(times, p.fps, p.take, p.seconds),
        "some frames last longer than 1/{p.fps:g} s: they are repeated",
        lambda p: True,
    ),
    "all": Policy(
        lambda count, times, p: all_indices(count, times if p.seconds else None, p.seconds),
        "",
        lambda p: p.seconds > 0,
    ),
}


class Choice:
    """The frames of one video, chosen by the policy of ``params``; ``index`` is what was chosen last, ``wanted`` all numbers to be kept."""

    def __init__(self, params: Any) -> None:
        self._params, self._policy = params, POLICIES[params.policy]
        self.index: Index = np.zeros((0, 0), np.int32)
        self.wanted: list[int] = []

    def __call__(self, count: int, times: Times | None) -> list[int] | None:
        """The numbers wanted of ``count`` frames, ascending; None if the times are needed for that and not yet known."""
        if times is None and self._policy.timed(self._params):
            return None
        self.index = self._policy.choose(count, times or (), self._params)
        chosen = [int(number) for number in np.unique(self.index)]
        self.wanted = with_next(chosen, count) if self._params.with_next else chosen
        return self.wanted

    def shortage(self, count: int) -> str:
        """Why frames are repeated, or "" if none is."""
        return self._policy.short.format(count=count, p=self._params) if is_padded(self.index) else ""
