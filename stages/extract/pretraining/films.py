"""Drawn films as arrays: small frames, as a decoder leaves them, with the plans that they were drawn from and everybody's joints."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from media.decode import read_frames
from media.encode import write_video
from stages.extract.resize import resize
from world.plan import HEIGHT, RATE, WIDTH, make_plan
from world.render import draw, stage_film
from world.truth import picture_points

LOG = logging.getLogger(__name__)

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

#: seeds below are those of worlds that people draw
FIRST_SEED = 1000
#: only every second frame is kept: the networks of clips look at no other
STRIDE = 2
#: side of a kept frame
SIZE = 112


@dataclass(frozen=True)
class Film:
    """One film: ``frames`` (n, S, S, 3), the time of each in seconds, the plan that it was drawn from, and where its actors
    are: ``points`` (A, n, 17, 2), keypoints in COCO order in parts of the picture."""

    frames: Images
    times: npt.NDArray[np.float64]
    plan: dict[str, Any]
    points: FloatArray


def films(cache: Path, seed: int, count: int) -> list[Film]:
    """The first ``count`` films of ``seed``, drawn, encoded, decoded and made small; what ``cache`` has is not drawn again.

    Frames stay on disk (0.9 MB a film) and are read where they are looked at. Raises ValueError for a seed that a demo or a test may use.
    """
    if seed < FIRST_SEED:
        raise ValueError(f"seed {seed} may be that of a demo's world; pretraining takes seeds from {FIRST_SEED}")
    done = cache / f"{seed}-{count}.json"
    if not done.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _keep(cache, seed, count)
    held = json.loads(done.read_text(encoding="utf-8"))
    frames = np.memmap(cache / f"{seed}-{count}-frames", np.uint8, "r").reshape(-1, SIZE, SIZE, 3)
    points = np.load(cache / f"{seed}-{count}-points.npy")
    found, frame, row = [], 0, 0
    for plan in held:
        length = len(range(0, plan["frames"], STRIDE))
        rows = len(plan["actors"]) * length
        where = points[row : row + rows].reshape(-1, length, 17, 2).astype(np.float32)
        found.append(Film(frames[frame : frame + length], np.arange(length) * (STRIDE / RATE), plan, where))
        frame, row = frame + length, row + rows
    return found


def _keep(cache: Path, seed: int, count: int) -> None:
    plans, points = [], []
    with (cache / f"{seed}-{count}-frames").open("wb") as out:
        for film in _drawn(seed, count):
            out.write(film.frames.tobytes())
            plans.append(film.plan)
            points.append(film.points.reshape(-1, 17, 2).astype(np.float16))
    np.save(cache / f"{seed}-{count}-points.npy", np.concatenate(points))
    (cache / f"{seed}-{count}.json").write_text(json.dumps(plans), encoding="utf-8")  # the last to be written


def _drawn(seed: int, count: int) -> Iterator[Film]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kdpipe-films-") as work:
        for number in range(count):
            film = stage_film(make_plan(seed, number))
            file = Path(work) / "film.mp4"
            write_video(file, draw(film), RATE)
            wanted = range(0, film.plan.frames, STRIDE)
            frames = np.stack([resize(frame.image, SIZE) for frame in read_frames(file, set(wanted))])
            points = picture_points(film)[:, ::STRIDE] / np.array([WIDTH, HEIGHT])
            yield Film(frames, np.array(wanted) / RATE, film.plan.to_json(), points.astype(np.float32))
            if (number + 1) % 200 == 0:
                LOG.info("%d of %d films of seed %d drawn, %.0f s", number + 1, count, seed, time.monotonic() - began)
