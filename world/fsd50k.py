"""The world of sounds in the layout of FSD50K: recordings of uneven length, each with the labels of one to three kinds of sounds.

    FSD50K.dev_audio/<fname>.wav, FSD50K.eval_audio/<fname>.wav
    FSD50K.ground_truth/dev.csv                         fname,labels,mids,split (train or val)
    FSD50K.ground_truth/eval.csv                        fname,labels,mids
    FSD50K.ground_truth/vocabulary.csv                  index,label,mid, without a header
    truth/

As in the set itself, the family of a kind is a label as well (``Drum,Music``); names and mids are invented.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cache.stage import Quiet
from world.acted import Progress
from world.noises import KINDS
from world.recordings import Recording, make_event, make_hum, write_recordings

#: size -> recordings for development, of which every tenth is for validation, and for evaluation
SIZES = {"tiny": (40, 16), "small": (200, 60), "medium": (600, 200), "large": (2000, 500)}
VAL_OF = 10
TRUTH = "FSD50K.ground_truth"
#: Seconds at the least, in the middle and at the most.
SECONDS = (0.5, 3.0, 12.0)
#: How often a recording has one, two or three kinds.
KINDS_OF_ONE = (0.6, 0.3, 0.1)
#: Recordings are numbered from here.
FIRST, MARK = 40_000_000, 164


def label_of(name: str) -> str:
    """The label of a kind or a family."""
    return name.capitalize()


#: label -> its mid, in the order of the vocabulary
VOCABULARY = {
    label: f"/m/0kd{number:02d}"
    for number, label in enumerate(sorted({label_of(name) for kind, made in KINDS.items() for name in (kind, made.family)}))
}


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    development, evaluation = SIZES[size]
    recordings = [_recording(seed, number, number < development) for number in range(development + evaluation)]
    write_recordings(out, "fsd50k", size, seed, recordings, workers, progress)
    (out / TRUTH).mkdir()
    of_test = {True: [one for one in recordings if one.splits == ("test",)], False: [one for one in recordings if one.splits != ("test",)]}
    _write(out / TRUTH / "dev.csv", [("fname", "labels", "mids", "split"), *((*_said(one), *one.splits) for one in of_test[False])])
    _write(out / TRUTH / "eval.csv", [("fname", "labels", "mids"), *map(_said, of_test[True])])
    _write(out / TRUTH / "vocabulary.csv", [(str(number), *pair) for number, pair in enumerate(VOCABULARY.items())])


def _recording(seed: int, number: int, for_development: bool) -> Recording:
    rng = np.random.default_rng([seed, MARK, number])
    seconds = round(float(np.clip(SECONDS[1] * np.exp(rng.normal(0, 0.7)), SECONDS[0], SECONDS[2])), 3)
    count = 1 + int(rng.choice(3, p=KINDS_OF_ONE))
    kinds = [str(kind) for kind in rng.choice(list(KINDS), count, replace=False)]
    events = tuple(make_event(rng, kind, seconds, 2 ** float(rng.uniform(-0.5, 0.5))) for kind in kinds)
    labels = list(dict.fromkeys(label_of(name) for kind in kinds for name in (kind, KINDS[kind].family)))
    split = "test" if not for_development else "val" if number % VAL_OF == VAL_OF - 1 else "train"
    name = str(10_000 + 37 * number + int(rng.integers(37)))
    path = f"FSD50K.{'dev' if for_development else 'eval'}_audio/{name}.wav"
    return Recording(FIRST + number, name, path, seconds, events, make_hum(rng), (split,), {"classes": labels})


def _said(one: Recording) -> tuple[str, str, str]:
    labels = one.facts["classes"]
    return one.id, ",".join(labels), ",".join(VOCABULARY[label] for label in labels)


def _write(file: Path, rows: Iterable[tuple[str, ...]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)
