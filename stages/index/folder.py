"""Any directory of videos, searched recursively, without annotations: the ids are the relative paths."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cache.errors import DataError
from stages.index.dataset import Dataset, Layout, Video, id_order

SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
}


def sources(root: Path) -> Iterator[str]:
    """Every video file under ``root``, by its name's ending; hidden files and folders are left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix()


def read(root: Path) -> Dataset:
    """List the videos. Raises DataError if there is none."""
    paths = list(sources(root))
    if not paths:
        raise DataError(f"no video under {root}", hint=f"files that count end in {' '.join(sorted(SUFFIXES))}")
    videos = [Video(id, path) for path, id in ids_of(paths).items()]
    return Dataset(sorted(videos, key=lambda video: id_order(video.id)))


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


LAYOUT = Layout(sources=sources, read=read)
