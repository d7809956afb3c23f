"""Any directory of videos, searched recursively, without annotations: the ids are the relative paths."""

from __future__ import annotations

import contextlib
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
    """Every video file under ``root``, by its name's ending; hidden files and folders are left out, links to folders not followed.

    Bare names and directory entries: this runs on every ``kdpipe status``, over every file.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        inner: list[str] = []
        files: list[str] = []
        with contextlib.suppress(PermissionError), os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if name[name.rfind(".") :].lower() in SUFFIXES and entry.is_file():
                    files.append(folder + name)
                elif entry.is_dir(follow_symlinks=False):
                    inner.append(f"{folder}{name}/")
        yield from sorted(files)
        folders += sorted(inner, reverse=True)


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
