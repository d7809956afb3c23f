"""The clips of Kinetics that few-shot lists name (:mod:`stages.index.few_shot`), without the tables of the whole set.

The shipped lists are those of 100 classes with 100 clips each. Clips lie as those of the whole set do
(:mod:`stages.index.kinetics_clips`), or in folders of classes right under the data root. Classes are those of the lists, in the order
of their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cache.errors import DataError
from stages.index import few_shot
from stages.index.annotations import HINT, Problems
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.kinetics_clips import Clips, lying

FOLDER = "kineticsTrainTestlist"


def sources(root: Path) -> Iterator[str]:
    """The data root's own lists and the clips that are there."""
    yield from few_shot.own_files(root, FOLDER)
    yield from lying(root)


def read(root: Path) -> Dataset:
    """Read the dataset. Raises DataError on a bad list, and if no clip is there at all."""
    problems = Problems()
    lists = few_shot.read_lists(root, FOLDER, problems)
    problems.raise_if_any()
    clips = Clips(root)
    if clips.empty:
        raise DataError(f"no clip of Kinetics lies under the data root {root}", hint=HINT)
    lines = sorted(lists.lines, key=lambda line: line.clip)
    videos = [Video(line.clip, clips.path(line.clip, line.label), (line.split,)) for line in lines]
    said = [Annotation(line.clip, (line.label,)) for line in lines]
    about, classes = {"few_shot": lists.about(lines)}, tuple(sorted({line.label for line in lines}))
    return Dataset(videos, [], few_shot.SPLITS, about, said, classes)


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "class"), data=few_shot.shipped_files(FOLDER))
