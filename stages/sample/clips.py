"""Which frames make a video's clips: pure functions of the number of frames.

The rule is that of the features published for VideoQA (HCRN, Le et al., CVPR 2020, "extract clips with consecutive
frames", which DualVGR and the distillation paper took over): C centres at equal distances, F frames around each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError


def clip_indices(total: int, clips: int, frames: int = 16) -> npt.NDArray[np.int32]:
    """Return the frame numbers int32 (clips, frames) of a video of ``total`` frames.

    Clip k = 1..C is centred at c = floor(total k / (C + 1)) and takes c - F/2 .. c + F/2 - 1. Where that reaches over an
    end of the video, the first or the last frame is repeated. One quirk of the original is kept, for it decides which
    frames the published features saw: a clip that is cut at the end stops at ``total - 2`` before the padding with
    ``total - 1`` begins, and a clip cut at both ends is padded in front only.
    Raises ValueError if there is no frame, ConfigError if ``frames`` is odd or a number is not positive.
    """
    check(clips, frames)
    if total < 1:
        raise ValueError("a video without frames has no clips")
    centres = np.linspace(0, total, clips + 2, dtype=np.int32)[1 : clips + 1]
    return np.array([_around(int(centre), total, frames) for centre in centres], np.int32)


def _around(centre: int, total: int, frames: int) -> list[int]:
    first = max(centre - frames // 2, 0)
    end = centre + frames // 2
    if end > total:
        end = total - 1
    numbers = list(range(first, end))
    if first == 0:
        numbers = [0] * (frames - len(numbers)) + numbers
    if end == total - 1:
        numbers += [total - 1] * (frames - (end - first))
    return numbers[:frames]


def is_padded(index: npt.NDArray[np.int32]) -> bool:
    """True if a clip of ``index`` (C, F) holds a frame more than once: the video is too short for it."""
    return any(len(set(clip)) < len(clip) for clip in index.tolist())


def check(clips: int, frames: int) -> None:
    """Raise ConfigError unless ``clips`` clips of ``frames`` frames can be asked for."""
    if clips < 1:
        raise ConfigError(f"sample.num_clips is {clips}", hint="it must be 1 or more")
    if frames < 2 or frames % 2:
        raise ConfigError(f"sample.frames_per_clip is {frames}", hint="it must be an even number: half lies on each side of the centre")
