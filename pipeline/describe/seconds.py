"""One picture a second of a video, as the published extractor takes them: the first frame at or after 0, 1, 2 ... s, at most so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from media.decode import Video, read_frames

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One video: where it is, the side of the square pictures that the network wants, how many seconds at most."""

    path: str
    size: int
    most: int


def numbers(times: Sequence[float], most: int) -> list[int]:
    """Numbers of the frames for the seconds 0, 1, 2 ... after the first frame; a slow video repeats frames."""
    if not len(times):
        return []
    since = np.asarray(times) - times[0]
    seconds = np.arange(min(most, int(since.max()) + 1))
    return [int(np.argmax(since >= second)) for second in seconds]


def read_seconds(job: Job) -> Images:
    """The pictures (T, size, size, 3), resized straight to a square with PIL's bicubic filter. Raises MediaError if nothing decodes."""
    with Video(job.path) as video:
        times = [place.time for place in video.places()]
    wanted = numbers(times, job.most)
    pictures = {frame.number: _square(frame.image, job.size) for frame in read_frames(job.path, set(wanted))}
    return np.stack([pictures[number] for number in wanted]) if wanted else np.zeros((0, job.size, job.size, 3), np.uint8)


def _square(image: Images, size: int) -> Images:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
