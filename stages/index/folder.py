"""Any directory of videos, searched recursively, without annotations: the ids are the relative paths.

``folder`` takes the files whose names end as those of videos do, ``folder-all`` (:mod:`stages.index.folder_all`) every file: what is
no video is lost then, by name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cache.errors import DataError
from cache.stage import Absent
from stages.index.dataset import Dataset, Layout, Video, id_order, path_of
from stages.index.walk import ending, walk

SUFFIXES = {
    *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mkv", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}
#: Endings that an error names.
SHOWN = 5


def sources(root: Path) -> Iterator[str | Absent]:
    """Every video file under ``root``, by its name's ending, and what lies in the place of one."""
    return walk(root, lambda name: ending(name) in SUFFIXES)


def every_file(root: Path) -> Iterator[str | Absent]:
    """Every file under ``root``, and what lies in the place of one."""
    return walk(root, lambda name: True)


def read(root: Path) -> Dataset:
    """List the videos. Raises DataError if there is none."""
    paths = list(map(path_of, sources(root)))
    if not paths:
        raise _nothing(root)
    return _dataset(ids_of(paths))


def read_all(root: Path) -> Dataset:
    """List all files as videos; the ids are whole relative paths. Raises DataError if there is none."""
    paths = {path: _text(path) for path in map(path_of, every_file(root))}
    if not paths:
        raise _nothing(root)
    return _dataset(paths)


def _dataset(ids: dict[str, str]) -> Dataset:
    return Dataset(sorted((Video(id, path) for path, id in ids.items()), key=lambda video: id_order(video.id)))


def _nothing(root: Path) -> DataError:
    """The error for a folder without a video, which says what is there instead."""
    others = Counter(ending(path.rpartition("/")[2]) for path in map(path_of, every_file(root)))
    if not others:
        return DataError(f"no file under {root}", hint="hidden files and folders do not count")
    shown = ", ".join(f"{count} {ascii(name)[1:-1] or 'without an ending'}" for name, count in others.most_common(SHOWN))
    more = f" and {len(others) - SHOWN} more kinds" if len(others) > SHOWN else ""
    return DataError(
        f"no video under {root}, only other files: {shown}{more}",
        hint=f"files that count end in {' '.join(sorted(SUFFIXES))}; --set layout=folder-all counts every file",
    )


def ids_of(paths: list[str]) -> dict[str, str]:
    """Path -> id: the path without its suffix, or the whole path where two files would share an id.

    Bytes of a name that are not UTF-8 are spelled ``\\xNN`` in the id.
    """
    ids = {path: _text(str(PurePosixPath(path).with_suffix(""))) for path in paths}
    while True:
        counted = Counter(ids.values())
        shared = [path for path, id in ids.items() if counted[id] > 1 and id != _text(path)]
        if not shared:
            return ids
        ids.update({path: _text(path) for path in shared})


def _text(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


LAYOUT = Layout(sources=sources, read=read, lying=every_file)
