"""The world of clips in the layout of HMDB51.

    hmdb51/<class>/<name>_<class>_f_<camera>_np<people>_<side>_<quality>_<number>.avi
    testTrainMulti_7030_splits/<class>_test_split<fold>.txt      <file>.avi <flag>: 1 train, 2 test, 0 in neither
    splits/hmdb_ARN/{train,val,test}list03.txt                   few-shot splits by class
    truth/

A name says what the official ones do, and truly: the whole body is seen (``f``), the camera moves or not (``cm``, ``nm``), how many people
there are, from which side the main one is seen (``fr``, ``le``, ``ri``), and a middling quality.
"""

from __future__ import annotations

from pathlib import Path

from cache.stage import Quiet
from world.acted import Progress, film_takes, take, write_few_shot
from world.clips import Clip, groups, make_clips
from world.layout import EVERYTHING, Shown

FOLDS = (1, 2, 3)
LISTS = "testTrainMulti_7030_splits"
#: flag -> split
PARTS = {1: "train", 2: "test"}
#: degrees from which on somebody is seen from the side
SIDE = 45.0


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet, shown: Shown = EVERYTHING) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    clips, of_group = list(make_clips(seed, size, shown)), groups(size, shown)
    flags = [{fold: _flag(clip, fold, of_group) for fold in FOLDS} for clip in clips]
    takes = []
    for clip, flag in zip(clips, flags):
        splits = tuple(f"{fold}/{PARTS[flag[fold]]}" for fold in FOLDS if flag[fold])
        takes.append(take(clip, _name(clip), f"hmdb51/{clip.action}/{_name(clip)}.avi", clip.action, splits))
    film_takes(out, "hmdb51", size, seed, takes, workers, progress)
    (out / LISTS).mkdir()
    for action in sorted({clip.action for clip in clips}):
        for fold in FOLDS:
            lines = sorted(f"{_name(clip)}.avi {flag[fold]} \n" for clip, flag in zip(clips, flags) if clip.action == action)
            (out / LISTS / f"{action}_test_split{fold}.txt").write_text("".join(lines), encoding="utf-8")
    write_few_shot(out, "hmdb_ARN", [(clip.few_shot, clip.action, _name(clip)) for clip in clips])


def _flag(clip: Clip, fold: int, of_group: list[int]) -> int:
    """Every third group is tested; of the others, the last clip of the first group that can spare one is not used."""
    if (clip.group - 1) % len(FOLDS) == fold - 1:
        return 2
    spare = next((g for g, count in enumerate(of_group, 1) if count > 1 and (g - 1) % len(FOLDS) != fold - 1), 0)
    return 0 if (clip.group, clip.number) == (spare, of_group[spare - 1]) else 1


def _name(clip: Clip) -> str:
    plan = clip.plan
    heading = plan.actors[clip.main].segments[0].heading
    side = "fr" if abs(heading) < SIDE else "ri" if heading > 0 else "le"
    camera = "nm" if plan.camera.move == "still" else "cm"
    return f"Film_{clip.group:02d}_{clip.action}_f_{camera}_np{len(plan.actors)}_{side}_med_{clip.number - 1}"
