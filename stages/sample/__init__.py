"""sample: which frames of which video, decoded once and kept as encoded images."""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option
from stages.sample.readers import module_of


@dataclass(frozen=True)
class SampleParams:
    """Which frames, and how they are kept."""

    policy: str = option("clips", "how frames are chosen: 'clips' = num_clips clips of consecutive frames", choices=("clips",))
    num_clips: int = option(8, "clips a video (the paper: 8 for MSVD-QA, 16 for MSRVTT-QA)", at_least=1, at_most=1000)
    frames_per_clip: int = option(
        16, "consecutive frames a clip: half of them on each side of its centre", at_least=2, at_most=1000, multiple_of=2
    )
    codec: str = option(
        "utvideo",
        "how frames are kept: 'utvideo' without loss; 'png' without loss, larger and slower; 'jpeg' about a tenth of png",
        choices=("utvideo", "png", "jpeg"),
    )
    quality: int = option(95, "quality of jpeg", at_least=1, at_most=100, when={"codec": ("jpeg",)})
    decode: str = option(
        "pyav",
        "what makes the pixels: PyAV, or torchcodec (extra kdpipe[torchcodec]) on the CPU or the GPU; other levels, the same frames",
        choices=("pyav", "torchcodec", "torchcodec-cuda"),
    )
    timeout: float = option(300.0, "seconds of wall clock that one video may take; 0 = no limit", at_least=0, at_most=10_000_000)
    max_lost: float = option(0.02, "fraction of videos that may be lost before the stage fails", keyed=False, at_least=0, at_most=1)

    @property
    def modules(self) -> tuple[str, ...]:
        """The module that reads: an edit of another one is none of its business."""
        return (module_of(self.decode),)


STAGE = Stage(
    name="sample",
    entry="stages.sample.run:run",
    params=SampleParams,
    items=("index", "world"),
    help="Choose frames, decode each video once, keep them losslessly.",
    raw=True,
    needs=("videos",),
    reads=("index",),
    tolerance="max_lost",
    modules="modules",
)
