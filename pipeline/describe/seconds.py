"""One picture a second of a video, as the published extractor takes them: the first frame at or after 0, 1, 2 ... s, at most so many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from media.decode import read_chosen
from stages.sample import SampleParams
from stages.sample.policies import Choice

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One video: where it is, the side of the square pictures that the network wants, how many seconds at most."""

    path: str
    size: int
    most: int


def read_seconds(job: Job) -> Images:
    """The pictures (T, size, size, 3), resized straight to a square with PIL's bicubic filter. Raises MediaError if nothing decodes."""
    choice = Choice(SampleParams(policy="rate", fps=1.0, take="next", seconds=job.most))
    _, pictures = read_chosen(job.path, choice, lambda frame: _square(frame.image, job.size))
    return np.stack([pictures[number] for number in choice.index[0].tolist()])


def _square(image: Images, size: int) -> Images:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
