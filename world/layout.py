"""The official places and names of the real sets' files: where a video lies, what the annotation files hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cache.errors import ConfigError, nearest
from world.plan import SCENES, Plan
from world.questions import Question

LAYOUTS = ("msvd-qa", "msrvtt-qa", "yt8m", "ucf101", "hmdb51", "kinetics", "thumos14", "kinetics-sound", "esc50", "fsd50k")
SPLITS = ("train", "val", "test")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Entry:
    """One video of the set: ``id`` is the annotations' ``video_id``, ``path`` is relative to the data root."""

    index: int
    id: int
    split: str
    path: str


@dataclass(frozen=True)
class Shown:
    """What worlds of clips show.

    actions: the classes, by name; none are all of the world's size.
    setting: ``varied`` places, people and cameras, or ``plain``: one person, in one street (where there is sound, in the usual place of
             the class), before a camera that does not move.
    clips:   clips of a class; 0: as many as the size has. Untrimmed videos have none of their own.
    groups:  groups of a class, over which its clips are spread; 0: as many as the size has.
    """

    actions: tuple[str, ...] = ()
    setting: str = "varied"
    clips: int = 0
    groups: int = 0


#: What worlds show unless somebody says otherwise.
EVERYTHING = Shown()


def check_layout(layout: str) -> None:
    """Raise ConfigError for a layout that the world cannot write."""
    if layout not in LAYOUTS:
        raise ConfigError(f"the embedded world has no layout {layout!r}", hint=nearest(layout, LAYOUTS))


def entries(layout: str, plans: list[Plan], seed: int) -> list[Entry]:
    """Ids, splits (60 / 15 / 25 %) and paths of the videos, in order."""
    check_layout(layout)
    n = len(plans)
    train, val = round(0.6 * n), round(0.75 * n)
    rows = []
    for i, plan in enumerate(plans):
        split = "train" if i < train else "val" if i < val else "test"
        if layout == "msvd-qa":
            rows.append(Entry(i, i + 1, split, f"YouTubeClips/{clip_name(plan, seed)}.avi"))
        else:
            rows.append(Entry(i, i, split, f"{'TestVideo' if split == 'test' else 'TrainValVideo'}/video{i}.mp4"))
    return rows


def clip_name(plan: Plan, seed: int) -> str:
    """``<11 characters>_<start>_<end>`` in the manner of YouTube ids and seconds; invented, a function of (seed, index)."""
    rng = np.random.default_rng([seed, plan.index, 11])
    letters = "".join(ALPHABET[k] for k in rng.integers(len(ALPHABET), size=11))
    start = int(rng.integers(0, 240))
    return f"{letters}_{start}_{start + int(np.ceil(plan.seconds))}"


def write_annotations(out: Path, layout: str, rows: list[Entry], plans: list[Plan], questions: list[list[Question]]) -> None:
    """Write ``{train,val,test}_qa.json`` and, for MSVD-QA, ``youtube_mapping.txt`` (no newline at its end)."""
    number = 0
    for split in SPLITS:
        objects: list[dict[str, object]] = []
        for row in rows:
            if row.split != split:
                continue
            for q in questions[row.index]:
                extra = {"category_id": SCENES.index(plans[row.index].scene)} if layout == "msrvtt-qa" else {}
                objects.append({"answer": q.answer, **extra, "id": number, "question": q.question, "video_id": row.id})
                number += 1
        (out / f"{split}_qa.json").write_text(json.dumps(objects, sort_keys=True), encoding="utf-8")
    if layout == "msvd-qa":
        lines = [f"{Path(row.path).stem} vid{row.id}" for row in rows]
        (out / "youtube_mapping.txt").write_text("\n".join(lines), encoding="utf-8")
