"""Ground truth beside the videos: who does what when, what is heard, keypoints; flow and depth on request.

``truth/world.json``      layout, size, seed, frame rate, picture size
``truth/videos.jsonl``    one object a video, in order: id, path, split, plan (everything that happens), sound, question families; of action
                          videos splits for split, and class, few_shot (its few-shot split), group and main (the actor who counts), or
                          segments for families
``truth/<id>.npz``        ``keypoints`` float16 (actors, frames, 17, 2) picture pixels in COCO order, ``visible`` uint8 (actors,
                          frames, 17): 2 seen, 1 hidden behind something, 0 outside the picture

The dense truth is not stored: :func:`film` sets the scene again from the plan, down to the very polygons that were drawn, and
:mod:`world.dense` renders flow, depth and segmentation of a frame from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.json_files import read_lines, write_json, write_lines
from world.body import KEYPOINTS
from world.dense import surfaces
from world.figure import keypoints
from world.layout import Entry
from world.plan import AUDIO_RATE, HEIGHT, RATE, WIDTH, Plan
from world.questions import Question
from world.render import Film, stage_film
from world.sound import sound_class

Floats = npt.NDArray[np.floating]
#: a surface nearer than a joint by more than this (in heights) hides it
HIDDEN = 0.13


def write_index(
    out: Path, layout: str, size: str, seed: int, rows: list[Entry], plans: list[Plan], questions: list[list[Question]]
) -> None:
    """Write ``truth/world.json`` and ``truth/videos.jsonl`` of videos with questions."""
    write_rows(out, layout, size, seed, (_fact(row, plans[row.index], questions[row.index]) for row in rows))


def write_rows(out: Path, layout: str, size: str, seed: int, rows: Iterable[dict[str, Any]]) -> None:
    """Write ``truth/world.json``, and ``truth/videos.jsonl`` with ``rows``, which hold at least id, path, plan."""
    world = {"layout": layout, "size": size, "seed": seed, "rate": RATE, "width": WIDTH, "height": HEIGHT, "audio_rate": AUDIO_RATE}
    write_json(out / "truth" / "world.json", world)
    write_lines(out / "truth" / "videos.jsonl", rows)


def _fact(row: Entry, plan: Plan, questions: list[Question]) -> dict[str, Any]:
    families = [question.family for question in questions]
    place = {"id": row.id, "path": row.path, "split": row.split}
    return {**place, "plan": plan.to_json(), "sound": sound_class(plan), "families": families}


def write_keypoints(out: Path, id: int | str, film: Film) -> None:
    """Write ``truth/<id>.npz``."""
    points, seen = picture_keypoints(film)
    np.savez_compressed(out / "truth" / f"{id}.npz", keypoints=points.astype(np.float16), visible=seen)


def videos(root: Path) -> Iterator[dict[str, Any]]:
    """The rows of ``truth/videos.jsonl``."""
    return read_lines(root / "truth" / "videos.jsonl")


def film(row: dict[str, Any]) -> Film:
    """Set the scene of a video again from its row: the exact polygons that were drawn."""
    return stage_film(Plan.from_json(row["plan"]))


def picture_points(film: Film) -> Floats:
    """Keypoints (actors, T, 17, 2) in picture pixels, seen or not."""
    return np.stack([film.shots.project(keypoints(m)) for m in film.actors])


def picture_keypoints(film: Film) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Keypoints (actors, T, 17, 2) in picture pixels and their visibility (actors, T, 17).

    A keypoint is seen if the topmost surface at its pixel belongs to its person and is not much nearer than the joint.
    """
    points = picture_points(film)
    inside = (points >= 0).all(-1) & (points[..., 0] < WIDTH) & (points[..., 1] < HEIGHT)
    column = np.clip(points[..., 0].astype(int), 0, WIDTH - 1)
    row = np.clip(points[..., 1].astype(int), 0, HEIGHT - 1)
    owner = np.array([-1, *(p.owner for p in film.parts)])
    keys = np.concatenate([np.zeros((1, film.plan.frames)), np.stack([p.key for p in film.parts])])
    joints = np.stack([np.stack([m.joints[name][:, 2] for name in KEYPOINTS], -1) + 10.0 * m.actor.y for m in film.actors])
    seen = np.zeros(points.shape[:-1], bool)
    for t, shown in enumerate(surfaces(film, range(film.plan.frames), samples=1)):
        top = shown[row[:, t], column[:, t]]
        mine = owner[top] == np.arange(len(film.actors))[:, None]
        seen[:, t] = mine & (keys[top, t] < joints[:, t] + HIDDEN)
    return points, np.where(inside, 1 + seen, 0).astype(np.uint8)
