"""Kinetics-Sound: the clips of Kinetics-400 whose class is seen and heard, 32 classes, by XKD's lists ``kinetics_sound/{train,val}.txt``.

The lists are the published files, JSON arrays (:mod:`stages.index.kinetics_lists`); clips lie in the tree of Kinetics.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.index.annotations import require
from stages.index.dataset import Dataset, Layout
from stages.index.kinetics_clips import lying
from stages.index.kinetics_lists import PARTS, list_of, read_listed

FOLDER = "kinetics_sound"
LISTS = [list_of(FOLDER, part) for part in PARTS]


def sources(root: Path) -> Iterator[str]:
    """The lists and the clips that are there."""
    require(root, LISTS)
    yield from LISTS
    yield from lying(root)


def read(root: Path) -> Dataset:
    """Read the dataset. Raises DataError on a bad list."""
    require(root, LISTS)
    return read_listed(root, FOLDER)


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "audio", "class"))
