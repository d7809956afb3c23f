"""sample: which frames of which video, or its sound, decoded once and kept."""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option
from stages.sample.readers import module_of


@dataclass(frozen=True)
class SampleParams:
    """Which frames or which sound, and how they are kept."""

    policy: str = option(
        "clips",
        "'clips' = num_clips clips of consecutive frames; 'even' = num_frames at even places; 'rate' = fps frames a second; "
        "'all' = every frame; 'audio' = the sound, and no frames",
        choices=("clips", "even", "rate", "all", "audio"),
    )
    num_clips: int = option(
        8, "clips a video (the paper: 8 for MSVD-QA, 16 for MSRVTT-QA)", at_least=1, at_most=1000, when={"policy": ("clips",)}
    )
    frames_per_clip: int = option(
        16,
        "consecutive frames a clip: half of them before its centre, and of an odd number one at it",
        at_least=1,
        at_most=1000,
        when={"policy": ("clips",)},
    )
    num_frames: int = option(8, "frames from the first to the last of a video", at_least=1, at_most=100_000, when={"policy": ("even",)})
    fps: float = option(8.0, "frames a second, by the video's own times", above=0, at_most=1000, when={"policy": ("rate",)})
    take: str = option(
        "shown",
        "which frame of each period: 'shown' = on screen when it begins, 'last' = on screen when it ends, 'next' = the first one in it",
        choices=("shown", "last", "next"),
        when={"policy": ("rate",)},
    )
    audio_rate: int = option(16_000, "samples a second of the sound", at_least=1000, at_most=192_000, when={"policy": ("audio",)})
    resampler: str = option(
        "soxr",
        "what changes the rate of the sound: 'soxr' (extra kdpipe[audio]), which lets nothing through from above half the new rate, or "
        "'ffmpeg', which lets a little through",
        choices=("soxr", "ffmpeg"),
        when={"policy": ("audio",)},
    )
    seconds: float = option(
        0.0, "of the beginning only so many seconds; 0 = all", at_least=0, at_most=10_000_000, when={"policy": ("rate", "all", "audio")}
    )
    with_next: bool = option(
        False,
        "keep the frame after each chosen one too (of the last one the frame before): optical flow is from a frame to the next",
        unless=({"policy": ("audio",)},),
    )
    codec: str = option(
        "utvideo",
        "how frames are kept: 'utvideo' without loss; 'png' without loss, larger and slower; 'jpeg' about a tenth of png",
        choices=("utvideo", "png", "jpeg"),
        unless=({"policy": ("audio",)},),
    )
    quality: int = option(95, "quality of jpeg", at_least=1, at_most=100, when={"codec": ("jpeg",)})
    decode: str = option(
        "pyav",
        "what makes the pixels: PyAV, or torchcodec (extra kdpipe[torchcodec]) on the CPU or the GPU; other levels, the same frames",
        choices=("pyav", "torchcodec", "torchcodec-cuda"),
        unless=({"policy": ("audio",)},),
    )
    timeout: float = option(300.0, "seconds of wall clock that one video may take; 0 = no limit", at_least=0, at_most=10_000_000)
    max_lost: float = option(0.02, "fraction of videos that may be lost before the stage fails", keyed=False, at_least=0, at_most=1)

    @property
    def reader(self) -> str:
        """What reads the files, of :data:`stages.sample.readers.READERS`."""
        return "audio" if self.policy == "audio" else self.decode

    @property
    def needs(self) -> tuple[str, ...]:
        """What it looks for in a dataset."""
        return ("audio" if self.policy == "audio" else "videos",)

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose versions can change the samples."""
        return ("soxr",) if self.policy == "audio" and self.resampler == "soxr" else ()

    @property
    def modules(self) -> tuple[str, ...]:
        """The module that reads: an edit of another one is none of its business."""
        return (module_of(self.reader),)


STAGE = Stage(
    name="sample",
    entry="stages.sample.run:run",
    params=SampleParams,
    items=("index", "world"),
    help="Choose frames, decode each video once, keep them losslessly.",
    raw=True,
    needs="needs",
    reads=("index",),
    tolerance="max_lost",
    modules="modules",
    libraries="libraries",
)
