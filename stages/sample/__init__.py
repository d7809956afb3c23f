"""sample: which frames of which video, decoded once and kept as encoded images."""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option


@dataclass(frozen=True)
class SampleParams:
    """Which frames, and how they are kept."""

    policy: str = option("clips", "how frames are chosen: 'clips' = num_clips clips of consecutive frames", choices=("clips",))
    num_clips: int = option(8, "clips a video (the paper: 8 for MSVD-QA, 16 for MSRVTT-QA)")
    frames_per_clip: int = option(16, "consecutive frames a clip")
    codec: str = option("png", "how frames are kept: 'png' without loss, 'jpeg' about a tenth of the size", choices=("png", "jpeg"))
    quality: int = option(95, "quality of jpeg, 1..100; png ignores it")
    decode: str = option("pyav", "the decoder", choices=("pyav",))
    timeout: float = option(300.0, "seconds of wall clock that one video may take; 0 = no limit")
    max_lost: float = option(0.02, "fraction of videos that may be lost before the stage fails", keyed=False)


STAGE = Stage(
    name="sample",
    entry="stages.sample.run:run",
    params=SampleParams,
    items=True,
    tolerance="max_lost",
)
