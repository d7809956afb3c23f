"""Any directory of videos, searched recursively, without annotations: the ids are the relative paths.

``folder`` takes the files whose names end as those of videos do, ``folder-all`` every file: what is no video is lost then, by name.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from cache.errors import DataError
from stages.index.dataset import Dataset, Layout, Video, id_order

SUFFIXES = {
    *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mkv", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
}
#: Endings that an error names.
SHOWN = 5


def sources(root: Path) -> Iterator[str]:
    """Every video file under ``root``, by its name's ending."""
    return _files(root, lambda name: ending(name) in SUFFIXES)


def every_file(root: Path) -> Iterator[str]:
    """Every file under ``root``."""
    return _files(root, lambda name: True)


def ending(name: str) -> str:
    """What follows the last dot of a name, with the dot, in small letters; "" if there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def _files(root: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    """The files whose names are ``wanted``; hidden files and folders are left out, links to folders not followed.

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
                if wanted(name) and entry.is_file():
                    files.append(folder + name)
                elif entry.is_dir(follow_symlinks=False):
                    inner.append(f"{folder}{name}/")
        yield from sorted(files)
        folders += sorted(inner, reverse=True)


def read(root: Path) -> Dataset:
    """List the videos. Raises DataError if there is none."""
    paths = list(sources(root))
    if not paths:
        raise _nothing(root)
    return _dataset(ids_of(paths))


def read_all(root: Path) -> Dataset:
    """List all files as videos; the ids are whole relative paths. Raises DataError if there is none."""
    paths = {path: _text(path) for path in every_file(root)}
    if not paths:
        raise DataError(f"no file under {root}", hint="hidden files and folders do not count, and links to folders are not followed")
    return _dataset(paths)


def _dataset(ids: dict[str, str]) -> Dataset:
    return Dataset(sorted((Video(id, path) for path, id in ids.items()), key=lambda video: id_order(video.id)))


def _nothing(root: Path) -> DataError:
    """The error for a folder without a video, which says what is there instead."""
    others = Counter(ending(path.rpartition("/")[2]) for path in every_file(root))
    if not others:
        return DataError(f"no file under {root}", hint="hidden files and folders do not count, and links to folders are not followed")
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
ALL = Layout(sources=every_file, read=read_all)
