"""The world of sounds in the layout of ESC-50: 5 s each, one kind of sound in a recording, five folds.

    audio/<fold>-<source>-<take>-<target>.wav           mono, 44.1 kHz, 16 bits
    meta/esc50.csv                                      filename,fold,target,category,esc10,src_file,take
    truth/

Two recordings (takes A and B) of a source are equally high and differ otherwise; a source is in one fold.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from cache.stage import Quiet
from world.acted import Progress
from world.noises import KINDS
from world.recordings import Recording, make_event, make_hum, write_recordings

#: size -> kinds, recordings of each in a fold
SIZES = {"tiny": (10, 1), "small": (24, 2), "medium": (24, 4), "large": (24, 8)}
FOLDS, SECONDS = (1, 2, 3, 4, 5), 5.0
TAKES = "AB"
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
#: Recordings are numbered from here; kinds, folds and sources have so many numbers each.
FIRST, KIND_NUMBERS, FOLD_NUMBERS = 30_000_000, 10_000, 1_000
#: Marks the generators of sources and of takes.
SOURCE, TAKE = 162, 163


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    kinds, number = SIZES[size]
    recordings = [
        _recording(seed, target, kind, fold, place)
        for target, kind in enumerate(tuple(KINDS)[:kinds])
        for fold in FOLDS
        for place in range(number)
    ]
    write_recordings(out, "esc50", size, seed, recordings, workers, progress)
    (out / "meta").mkdir()
    rows = sorted(tuple(one.facts[name] for name in COLUMNS) for one in recordings)
    with (out / "meta" / "esc50.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def _recording(seed: int, target: int, kind: str, fold: int, place: int) -> Recording:
    source, take = place // len(TAKES), TAKES[place % len(TAKES)]
    pitch = 2 ** float(np.random.default_rng([seed, SOURCE, target, fold, source]).uniform(-0.5, 0.5))
    rng = np.random.default_rng([seed, TAKE, target, fold, place])
    number = 100_000 + target * KIND_NUMBERS + fold * FOLD_NUMBERS + source
    name = f"{fold}-{number}-{take}-{target}"
    told = (f"{name}.wav", str(fold), str(target), kind, str(target < 10), str(number), take)
    facts = {**dict(zip(COLUMNS, told)), "class": kind}
    splits = tuple(f"{one}/{'test' if one == fold else 'train'}" for one in FOLDS)
    index = FIRST + target * KIND_NUMBERS + fold * FOLD_NUMBERS + place
    return Recording(index, name, f"audio/{name}.wav", SECONDS, (make_event(rng, kind, SECONDS, pitch),), make_hum(rng), splits, facts)
