"""The world of clips in the layout of Kinetics.

    {train,val,test}/<class_name>/<id>_<start>_<end>.mp4    ids of 11 characters, invented; whole seconds with six digits
    annotations/{train,val,test}.csv                        label,youtube_id,time_start,time_end,split; labels with blanks
    splits/kineticsTrainTestlist/{train,val,test}list03.txt few-shot splits by class, in the form of CMN's lists
    truth/

The last group of each class is the test part, the one before it the validation part.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from cache.stage import Quiet
from world.acted import Progress, film_takes, take, write_few_shot
from world.clips import Clip, groups, make_clips, title
from world.layout import ALPHABET, EVERYTHING, Shown

PARTS = ("train", "val", "test")
COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet, shown: Shown = EVERYTHING) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    clips = list(make_clips(seed, size, shown))
    number = len(groups(size, shown))
    parts = [_part(clip, number) for clip in clips]
    sources = [_source(clip, seed) for clip in clips]
    takes = []
    for clip, part, source in zip(clips, parts, sources):
        path = f"{part}/{title(clip.action).replace(' ', '_')}/{_name(*source)}.mp4"
        takes.append(take(clip, _name(*source), path, title(clip.action), (part,)))
    film_takes(out, "kinetics", size, seed, takes, workers, progress)
    (out / "annotations").mkdir()
    for part in PARTS:
        rows = sorted((title(clip.action), *source, part) for clip, of, source in zip(clips, parts, sources) if of == part)
        with (out / "annotations" / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    listed = [(clip.few_shot, title(clip.action), _name(*source)) for clip, source in zip(clips, sources)]
    write_few_shot(out, "kineticsTrainTestlist", listed)


def _part(clip: Clip, number: int) -> str:
    return {number: "test", number - 1: "val"}.get(clip.group, "train")


def _source(clip: Clip, seed: int) -> tuple[str, int, int]:
    """An invented id, and the seconds of its video that the clip would be."""
    rng = np.random.default_rng([seed, clip.plan.index, 11])
    start = int(rng.integers(0, 240))
    return "".join(ALPHABET[k] for k in rng.integers(len(ALPHABET), size=11)), start, start + int(np.ceil(clip.plan.seconds))


def _name(id: str, start: int, end: int) -> str:
    return f"{id}_{start:06d}_{end:06d}"
