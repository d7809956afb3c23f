"""The files that somebody asks about, as they were typed: each file by itself, folders by the videos in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cache.digest import digest_file
from cache.errors import DataError, KdpipeError
from cache.given import plain_file
from pipeline import paths
from stages.index import folder, walk
from stages.index.dataset import path_of


@dataclass(frozen=True)
class File:
    """A file: its number, which is its id, how it is called, where it is, and its sha256; ``lack`` says why there is none."""

    id: str
    name: str
    path: Path
    digest: str = ""
    lack: str = ""


#: How the names of files end that are only heard.
SOUNDS = frozenset(
    {".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mka", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"}
)


def listed(typed: Iterable[str], first: int = 0, *, sounds: bool = False) -> list[File]:
    """The files of all that was typed, numbered from ``first`` on; what is not there, or cannot be read, is listed with the reason.

    ``sounds``: of folders also files that are only heard.
    """
    return [_file(first + number, name, path) for number, (name, path) in enumerate(_named(typed, sounds))]


def classes_in(directory: Path, first: int = 0) -> dict[str, list[File]]:
    """Folders right in ``directory`` -> the videos in each. Raises KdpipeError if there are no two."""
    if not directory.is_dir():
        raise KdpipeError(f"{directory} is not a directory", hint="--support names a folder with a folder of example videos for each class")
    found: dict[str, list[File]] = {}
    for name in sorted(walk.folders_in(directory, ".")):
        found[name] = listed([str(directory / name)], first)
        first += len(found[name])
    if len(found) < 2:
        raise KdpipeError(f"{directory} has {len(found)} folders, and one class cannot be told from others", hint="a folder for each class")
    return found


def _named(typed: Iterable[str], sounds: bool) -> Iterator[tuple[str, Path]]:
    for word in typed:
        path = paths.expanded(word)
        if not path.is_dir():
            yield word, path
            continue
        found = _heard(path) if sounds else [video.path for video in folder.read(path).videos]
        for own in found:
            yield str(Path(word) / own), path / own


def _heard(path: Path) -> list[str]:
    """Videos and sounds in a folder. Raises DataError if there is neither."""
    found = walk.walk(path, lambda name: walk.ending(name) in folder.SUFFIXES | SOUNDS)
    return sorted(path_of(one) for one in found) or [video.path for video in folder.read(path).videos]


def _file(number: int, name: str, path: Path) -> File:
    try:
        plain_file(path)
        return File(str(number), name, path, digest_file(path))
    except DataError as error:
        return File(str(number), name, path, lack=error.message.removeprefix(f"{path} "))
    except OSError as error:
        return File(str(number), name, path, lack=f"cannot be read: {error.strerror}")
