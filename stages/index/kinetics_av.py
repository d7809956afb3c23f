"""Kinetics-400 with its sound, as XKD is trained on it: ``{train,val}/<class>/<clip>.avi``, and lists ``kinetics400/{train,val}.txt``.

A list names the clips that have a picture and a sound, each longer than 1.1 s; it is what XKD keeps of its search for them
(:mod:`stages.index.kinetics_lists`). Without a list every clip of the part is taken, and one without sound is lost when it is sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.index.dataset import Dataset, Layout
from stages.index.kinetics_clips import lying
from stages.index.kinetics_lists import lists_there, read_listed

FOLDER = "kinetics400"


def sources(root: Path) -> Iterator[str]:
    """The lists and the clips that are there."""
    yield from lists_there(root, FOLDER)
    yield from lying(root)


def read(root: Path) -> Dataset:
    """Read the dataset. Raises DataError on a bad list, and if no clip is there at all."""
    return read_listed(root, FOLDER)


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "audio", "class"))
