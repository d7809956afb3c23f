"""The world of clips that are seen and heard, in the layout of Kinetics-Sound as XKD lists it.

    {train,val}/<class_name>/<id>_<start>_<end>.avi     ids of 11 characters, invented; whole seconds with six digits
    kinetics_sound/{train,val}.txt                      a JSON array of "<class_name>/<clip>.avi" on one line
    truth/

The last quarter of the groups of each class is for validation.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from cache.stage import Quiet
from world.acted import Progress, Take, film_takes
from world.layout import ALPHABET, EVERYTHING, Shown
from world.sounding import SoundingClip, heard, held_out, make_sounding, soundtrack

LISTS = "kinetics_sound"
PARTS = ("train", "val")


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet, shown: Shown = EVERYTHING) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    takes = [_take(clip, PARTS[held_out(clip.group, size)], seed) for clip in make_sounding(seed, size, shown)]
    film_takes(out, "kinetics-sound", size, seed, takes, workers, progress)
    (out / LISTS).mkdir()
    for part in PARTS:
        entries = sorted(take.path.removeprefix(f"{part}/") for take in takes if take.splits == (part,))
        (out / LISTS / f"{part}.txt").write_text(json.dumps(entries), encoding="utf-8")


def _take(clip: SoundingClip, part: str, seed: int) -> Take:
    folder, name = clip.kind.name.replace(" ", "_"), _name(clip, seed)
    facts = {"class": folder, "action": clip.kind.action, "group": clip.group, "main": clip.main, "sound": heard(clip)}
    return Take(name, f"{part}/{folder}/{name}.avi", clip.plan, (part,), facts, functools.partial(soundtrack, clip))


def _name(clip: SoundingClip, seed: int) -> str:
    """An invented id, and the seconds of its video that the clip would be."""
    rng = np.random.default_rng([seed, clip.plan.index, 11])
    start = int(rng.integers(0, 240))
    id = "".join(ALPHABET[k] for k in rng.integers(len(ALPHABET), size=11))
    return f"{id}_{start:06d}_{start + int(np.ceil(clip.plan.seconds)):06d}"
