"""The actions in one video file of any length: what a trained network of RGB finds in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from cache.errors import DataError
from formats.afsd_npy import RATE
from media.decode import Video
from systems.gkd.detection.decode import Decoding, Found, segments
from systems.gkd.detection.inference import outputs
from systems.gkd.detection.trained import Network
from systems.gkd.detection.transforms import SIDE, Array, resize
from systems.gkd.detection.windows import TEST_STRIDE


def segments_of(
    video: Path,
    network: Network,
    classes: Sequence[str],
    *,
    decoding: Decoding | None = None,
    rate: float = RATE,
    side: int = SIDE,
    stride: int = TEST_STRIDE,
    padding: str = "grey",
) -> Found:
    """Detections with seconds, classes and scores. Frames, a temporary file of ``side`` x ``side`` pixels each, are mapped, not in memory.

    Raises DataError for a network of flow, or of other classes; MediaError for a file that is no video.
    """
    if network.modality != "rgb":
        raise DataError(f"the network sees {network.modality}, and a video file has frames")
    network.must_know(classes, "the network", "the dataset")
    shape = network.model.shape
    with tempfile.TemporaryFile() as file:
        array = sampled(video, file, rate, side)
        found, begins = outputs(network, array, length=shape.frames, stride=stride, side=shape.crop, padding=padding)
    return segments(found, begins, rate, classes, decoding or Decoding(length=shape.frames))


def sampled(video: Path, file: IO[bytes], rate: float = RATE, side: int = SIDE) -> Array:
    """Frames of a video as ``sample.policy=rate take=last`` chooses them, (T, side, side, 3), mapped from ``file``, where they are written.

    The k-th is the last one before (k + 1) / rate seconds after the first, so one has to be seen past it; the end counts as one too.
    """
    count = 0
    for picture in _last_of_periods(video, rate):
        file.write(np.ascontiguousarray(resize(picture[None], side)[0]).tobytes())
        count += 1
    file.flush()
    found: Any = np.memmap(file, np.uint8, "r", shape=(count, side, side, 3))
    return found  # type: ignore[no-any-return]


def _last_of_periods(video: Path, rate: float) -> Iterator[Array]:
    """The last frame of every period of 1 / rate seconds that the video fills; the last frame lasts as long as those before on average."""
    first, number, last, count, before = 0.0, 0, None, 0, 0.0
    with Video(video) as opened:
        for frame in opened.frames():
            if last is None:
                first = frame.time
            since = frame.time - first
            while last is not None and since >= (number + 1) / rate - SLACK:
                yield last
                number += 1
            last, count, before = frame.image, count + 1, since
    if last is None:
        raise DataError(f"{video.name} has no frame")
    ends = before + (before / (count - 1) if count > 1 else 0.0)
    while number == 0 or ends >= (number + 1) / rate - 2 * SLACK:
        yield last
        number += 1


#: seconds by which a stamp may be off, in containers of whole milliseconds
SLACK = 0.5e-3
