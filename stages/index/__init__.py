"""index: an official dataset layout becomes one index of files with their digests, what is said of them, and splits."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from cache.stage import Stage, option


def module_of(layout: str) -> str:
    """The module of an adapter: ``"msvd-qa"`` -> ``"stages.index.msvd_qa"``."""
    return f"stages.index.{layout.replace('-', '_')}"


@dataclass(frozen=True)
class IndexParams:
    """Which layout lies under the data root."""

    layout: str = option(
        "msvd-qa",
        "the layout of the files; its adapter is the file of that name in stages/index",
        choices=(
            "msvd-qa",
            "msrvtt-qa",
            "folder",
            "folder-all",
            "labelled",
            "csv-qa",
            "csv-labels",
            "csv-tags",
            "csv-av",
            "csv-sounds",
            "yt8m",
            "yt8m-video",
            "ucf101",
            "hmdb51",
            "kinetics",
            "kinetics-few-shot",
            "thumos14",
            "esc50",
            "fsd50k",
            "kinetics-sound",
            "kinetics-av",
        ),
    )
    name: str = option("", "the dataset's name in file names and reports; empty = the layout's name", at_most=200)
    max_lost: float = option(0.02, "fraction of videos that may be missing before the stage fails", keyed=False, at_least=0, at_most=1)

    @property
    def modules(self) -> tuple[str, ...]:
        """The adapter in use: an edit of another one is none of its business."""
        return (module_of(self.layout),)

    @property
    def data(self) -> tuple[Path, ...]:
        """The packaged files that the adapter reads."""
        found: tuple[Path, ...] = importlib.import_module(module_of(self.layout)).LAYOUT.data
        return found


STAGE = Stage(
    name="index",
    entry="stages.index.run:run",
    params=IndexParams,
    sources="stages.index.sources:sources",
    help="Read a dataset's official layout into one index.",
    raw=True,
    tolerance="max_lost",
    modules="modules",
    data="data",
)
