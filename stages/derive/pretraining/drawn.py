"""Drawn frames with their film, of seeds that no world of a demo or a test has."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from world.plan import make_plan
from world.render import Film, draw, stage_film

Images = npt.NDArray[np.uint8]

#: seeds below are those of worlds that people draw
FIRST_SEED = 1000
#: qualities of the JPEG pictures that stand for what an encoder of videos leaves of a frame
QUALITIES = (40, 95)


def frames(seed: int, videos: int, each: int) -> Iterator[tuple[Film, int, Images]]:
    """Yield (film, frame number, picture (H, W, 3)) of ``each`` frames, evenly spread, of ``videos`` plans of ``seed``.

    Raises ValueError for a seed that a demo or a test may use.
    """
    if seed < FIRST_SEED:
        raise ValueError(f"seed {seed} may be that of a demo's world; pretraining takes seeds from {FIRST_SEED}")
    for index in range(videos):
        film = stage_film(make_plan(seed, index))
        numbers = np.linspace(0, film.plan.frames - 1, each + 2)[1:-1].round().astype(int).tolist()
        for number, picture in zip(numbers, draw(film, numbers), strict=True):
            yield film, number, picture


def encoded(picture: Images, rng: np.random.Generator) -> Images:
    """The picture after lossy encoding of random quality."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=int(rng.integers(*QUALITIES)))
    return np.asarray(Image.open(buffer))
