"""ingest: shards of published frame features become one store of frames a partition (:mod:`cache.ragged`)."""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option


@dataclass(frozen=True)
class IngestParams:
    """How records are read; the defaults fit YouTube-8M of 2018."""

    max_frames: int = option(300, "frames of a longer video that are kept: its first", at_least=1, at_most=100_000)
    rgb: int = option(1024, "width of the visual features", at_least=1, at_most=65_536)
    audio: int = option(128, "width of the audio features", at_least=0, at_most=65_536)
    num_classes: int = option(0, "labels are below it; 0: what vocabulary.csv says, or 3862 without one", at_least=0, at_most=10_000_000)
    damaged: str = option("error", "a damaged record stops the stage, or is passed over and counted", choices=("error", "skip"))
    uneven: str = option(
        "error",
        "another number of audio than of visual frames stops the stage, or the audio is cut or filled up and that is counted",
        choices=("error", "pad"),
    )
    max_lost: float = option(
        0.0,
        "fraction of shards that may hold nothing readable before the stage fails (damaged=skip)",
        keyed=False,
        at_least=0,
        at_most=1,
    )


STAGE = Stage(
    name="ingest",
    entry="stages.ingest.run:run",
    params=IngestParams,
    items=("index", "world"),
    help="Read shards of published frame features into one frame store a partition.",
    raw=True,
    needs=("records",),
    reads=("index",),
    tolerance="max_lost",
)
