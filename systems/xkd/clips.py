"""A file's frames and sound to clips, and a clip to the views of a training step (spec 2.2, 2.5, 2.6).

A file is its frames, ``fps`` a second, the first of which is shown at ``begin`` seconds, and its samples, the first of which is heard at
``start``: what two nodes of the stage ``sample`` keep, on one clock.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.training.crops import At, uniforms
from systems.xkd import audio_views, video_views
from systems.xkd.sizes import SIZES, ViewSizes
from systems.xkd.windows import Span, clip_window

#: ``At.view`` of what is drawn: where the clip lies, its global views, the first of its local ones
WINDOW, GLOBAL_VIDEO, GLOBAL_AUDIO, LOCAL_VIDEO, LOCAL_AUDIO = 0, 1, 2, 16, 32


class File(NamedTuple):
    """Frames uint8 (T, H, W, 3) and samples int16 or float32 (N,), each with the second of its first."""

    frames: npt.NDArray[np.uint8]
    begin: float
    samples: npt.NDArray[np.int16] | npt.NDArray[np.float32]
    start: float


class Clip(NamedTuple):
    """Frames uint8 (T, H, W, 3), at most ``sizes.frames``, and the sound of their time, float32 (``sizes.samples``,)."""

    frames: npt.NDArray[np.uint8]
    samples: npt.NDArray[np.float32]


class Views(NamedTuple):
    """[global, local, ...] of one clip: video float32 (3, T, size, size), audio (1, bands, columns)."""

    video: list[npt.NDArray[np.float32]]
    audio: list[Tensor]


def training_clip(file: File, at: At, sizes: ViewSizes = SIZES) -> Clip:
    """A random clip of a file; its sound begins when its first frame is shown.

    The published code draws a moment and shows the frame that is on screen then. Here frames are a grid of 1 / fps, so that frame may be
    older by nearly that much; so the sound is moved to it. Where the sound does not reach, the clip is silent.
    """
    video, audio = Span(file.begin, len(file.frames) / sizes.fps), Span(file.start, len(file.samples) / sizes.rate)
    window = clip_window(video, audio, (sizes.seconds, sizes.seconds), uniforms(at._replace(view=WINDOW)))
    first = max(0, int((window.video - file.begin) * sizes.fps + 1e-6))
    late = file.begin + first / sizes.fps - window.video if video.length >= sizes.seconds else 0.0
    return Clip(file.frames[first : first + sizes.frames], sound(file, window.audio + late, sizes))


def sound(file: File, moment: float, sizes: ViewSizes = SIZES) -> npt.NDArray[np.float32]:
    """(``sizes.samples``,) from a moment on, with silence where the file has none."""
    first = round((moment - file.start) * sizes.rate)
    part = floats(file.samples[max(0, first) : max(0, first + sizes.samples)])
    heard = np.zeros(sizes.samples, np.float32)
    before = max(0, -first)
    heard[before : before + len(part)] = part
    return heard


def floats(samples: npt.NDArray[np.int16] | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """16 bits to -1..1."""
    return samples.astype(np.float32) / np.float32(32768) if samples.dtype == np.int16 else samples.astype(np.float32)


def training_views(clip: Clip, at: At, sizes: ViewSizes = SIZES, local: tuple[int, int] = (1, 1), blur: str = "random") -> Views:
    """The views of a step of pre-training; ``local``: how many small ones of video and of audio."""
    frames = video_views.base(video_views.padded(clip.frames, sizes.frames), sizes)
    return Views(
        [
            video_views.global_view(frames, at._replace(view=GLOBAL_VIDEO), sizes),
            *(video_views.local_view(frames, at._replace(view=LOCAL_VIDEO + number), sizes, blur) for number in range(local[0])),
        ],
        [
            audio_views.global_view(clip.samples, at._replace(view=GLOBAL_AUDIO), sizes),
            *(audio_views.local_view(clip.samples, at._replace(view=LOCAL_AUDIO + number), sizes) for number in range(local[1])),
        ],
    )
