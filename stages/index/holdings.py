"""What a dataset says it has beside what is on the disk, without opening a video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.index.adapters import adapter
from stages.index.dataset import Video

#: Endings of files that are annotations, in every layout.
TEXT = (".json", ".txt", ".csv", ".npy")


@dataclass(frozen=True)
class Holdings:
    """there: videos whose file is on the disk. missing: those without. unused: files that are no video of the dataset."""

    there: list[Video]
    missing: list[Video]
    unused: list[str]


def holdings(layout: str, root: Path) -> Holdings:
    """Compare the annotations of a data root with its files. Raises DataError on a bad annotation."""
    layout_of = adapter(layout)
    videos = layout_of.read(root).videos
    there = [video for video in videos if (root / video.path).is_file()]
    named = {video.path for video in videos}
    unused = [path for path in (layout_of.lying or layout_of.sources)(root) if path not in named and not path.lower().endswith(TEXT)]
    missing = [video for video in videos if not (root / video.path).is_file()]
    return Holdings(there, missing, unused)
