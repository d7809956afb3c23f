"""The world of clips in the layout of UCF101.

    UCF-101/<Class>/v_<Class>_g<group>_c<clip>.avi
    ucfTrainTestlist/classInd.txt, trainlist01.txt ... testlist03.txt
    splits/ucf_ARN/{train,val,test}list03.txt               few-shot splits by class
    truth/

Fold k tests every third group, from the k-th: no group is in both parts of a fold.
"""

from __future__ import annotations

from pathlib import Path

from cache.stage import Quiet
from world.acted import Progress, film_takes, take, write_few_shot
from world.clips import Clip, camel, make_clips
from world.layout import EVERYTHING, Shown

FOLDS = (1, 2, 3)
LISTS = "ucfTrainTestlist"


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet, shown: Shown = EVERYTHING) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``."""
    clips = list(make_clips(seed, size, shown))
    film_takes(out, "ucf101", size, seed, [take(c, _name(c), _path(c), camel(c.action), _splits(c)) for c in clips], workers, progress)
    _write_lists(out / LISTS, clips)
    write_few_shot(out, "ucf_ARN", [(clip.few_shot, camel(clip.action), _name(clip)) for clip in clips])


def tested(group: int, fold: int) -> bool:
    """Whether a group is tested in a fold, both from 1."""
    return (group - 1) % len(FOLDS) == fold - 1


def _name(clip: Clip) -> str:
    return f"v_{camel(clip.action)}_g{clip.group:02d}_c{clip.number:02d}"


def _path(clip: Clip) -> str:
    return f"UCF-101/{camel(clip.action)}/{_name(clip)}.avi"


def _splits(clip: Clip) -> tuple[str, ...]:
    return tuple(f"{fold}/{'test' if tested(clip.group, fold) else 'train'}" for fold in FOLDS)


def _write_lists(place: Path, clips: list[Clip]) -> None:
    """The official lists; only the training lists have the classes' numbers."""
    place.mkdir()
    numbers = {name: number for number, name in enumerate(sorted({camel(clip.action) for clip in clips}), 1)}
    (place / "classInd.txt").write_text("".join(f"{number} {name}\n" for name, number in numbers.items()), encoding="utf-8")
    order = sorted(clips, key=_path)
    for fold in FOLDS:
        lines = {True: "", False: ""}
        for clip in order:
            of_test = tested(clip.group, fold)
            name = f"{camel(clip.action)}/{_name(clip)}.avi"
            lines[of_test] += f"{name}\n" if of_test else f"{name} {numbers[camel(clip.action)]}\n"
        (place / f"trainlist0{fold}.txt").write_text(lines[False], encoding="utf-8")
        (place / f"testlist0{fold}.txt").write_text(lines[True], encoding="utf-8")
