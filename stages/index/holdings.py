"""What a dataset says it has beside what is on the disk, without opening a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.index.absence import Absences, is_file
from stages.index.adapters import adapter
from stages.index.dataset import Video, path_of

#: Endings of files that are annotations, in every layout.
TEXT = (".json", ".txt", ".csv", ".npy")


@dataclass(frozen=True)
class Holdings:
    """there: videos whose file is on the disk. missing: those without. unused: files that the dataset does not name.

    why: path of a missing video -> what is wrong with it. absent: what is named without a file that one could look for -> why it is lost.
    """

    there: list[Video]
    missing: list[Video]
    unused: list[str]
    why: dict[str, str]
    absent: Mapping[str, str]


def holdings(layout: str, root: Path) -> Holdings:
    """Compare the annotations of a data root with its files. Raises DataError on a bad annotation."""
    layout_of = adapter(layout)
    dataset = layout_of.read(root)
    videos = dataset.videos
    there = [video for video in videos if is_file(root / video.path)]
    named = {video.path for video in videos}
    lying = map(path_of, (layout_of.lying or layout_of.sources)(root))
    unused = [path for path in lying if path not in named and not path.lower().endswith(TEXT)]
    found, absences = {video.path for video in there}, Absences(root)
    missing = [video for video in videos if video.path not in found]
    return Holdings(there, missing, unused, {video.path: absences.why(video.path) for video in missing}, dataset.absent)
