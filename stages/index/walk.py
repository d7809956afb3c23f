"""Every file under a folder, and what is in the place of one: nothing that lies there is passed over in silence.

Hidden files and folders, and ``lost+found``, are left out. Links to files and to folders are followed, wherever they lead; what is
found twice that way is listed once, under its own name rather than a link's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from cache.errors import DataError
from cache.stage import Absent
from stages.index.absence import Absences, is_file, mode_of

#: Where file systems keep what they found damaged, for root alone.
SYSTEM = frozenset({"lost+found"})

Wanted = Callable[[str], bool]


def ending(name: str) -> str:
    """What follows the last dot of a name, with the dot, in small letters; "" if there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def walk(root: Path, wanted: Wanted, left_out: frozenset[str] = frozenset()) -> Iterator[str | Absent]:
    """Paths of the files whose names are ``wanted``, folder by folder; folders called as one of ``left_out`` are not entered.

    :class:`Absent` is what has such a name and is no file; a link into nothing also if its name has no ending, since it may have led
    to a folder. Raises DataError for a folder that cannot be listed, and for a link to a folder that holds ``root``.
    """
    tree = _Tree(root, wanted, left_out | SYSTEM)
    yield from tree.under("")
    while tree.links:
        yield from tree.behind(tree.links.pop(0))


def files_in(root: Path, folder: str, wanted: Wanted) -> list[str]:
    """Paths of the files right in ``folder`` whose names are ``wanted``, links followed; none if no folder is there.

    Raises DataError for one that cannot be listed.
    """
    if not stat.S_ISDIR(mode_of(root / folder)):
        return []
    found = [entry for entry in _entries(root, folder) if wanted(entry.name)]
    return sorted(f"{folder}/{e.name}" for e in found if e.is_file(follow_symlinks=False) or is_file(Path(e.path)))


def folders_in(root: Path, folder: str) -> list[str]:
    """Names of the folders right in ``folder``, links followed, hidden ones left out; none if no folder is there.

    Raises DataError for one that cannot be listed.
    """
    if not stat.S_ISDIR(mode_of(root / folder)):
        return []
    found = [entry for entry in _entries(root, folder) if not entry.name.startswith(".") and entry.name not in SYSTEM]
    return sorted(e.name for e in found if e.is_dir(follow_symlinks=False) or stat.S_ISDIR(mode_of(Path(e.path))))


def _entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(f"{root}/{folder}") as entries:
            return list(entries)
    except OSError as error:
        raise DataError(
            f"{root}/{folder}: {error.strerror}: what is in it cannot be seen",
            hint="make it readable (chmod u+rx), or move it out of the data root; hidden folders are left out",
        ) from error


class _Tree:
    """Bare names and directory entries: this runs on every ``kdpipe status``, over every file."""

    def __init__(self, root: Path, wanted: Wanted, left_out: frozenset[str]) -> None:
        self.root = root
        self.wanted = wanted
        self.left_out = left_out
        self.links: list[str] = []
        self._listed: list[str] = []
        self._known: set[tuple[int, int]] | None = None  # folders listed so far; asked for only once there is a link
        self._absences = Absences(root)

    def under(self, top: str) -> Iterator[str | Absent]:
        """What lies in a folder and the folders in it; links to folders are kept for later."""
        folders = [top]
        while folders:
            folder = folders.pop()
            if self._is_known(folder):
                continue
            inner: list[str] = []
            files: list[str | Absent] = []
            before = len(self.links)
            self._listed.append(folder)
            for entry in _entries(self.root, folder):
                name = entry.name
                if name[0] == ".":
                    continue
                if self.wanted(name) and entry.is_file(follow_symlinks=False):
                    files.append(folder + name)
                elif entry.is_dir(follow_symlinks=False):
                    if name not in self.left_out:
                        inner.append(f"{folder}{name}/")
                elif (found := self._odd(folder + name, name, entry.is_symlink())) is not None:
                    files.append(found)
            self.links[before:] = sorted(self.links[before:])  # not as the file system happens to list them
            yield from sorted(files, key=lambda file: file if isinstance(file, str) else file.path)
            folders += sorted(inner, reverse=True)

    def behind(self, link: str) -> Iterator[str | Absent]:
        """What lies behind a link to a folder, if that was not listed already."""
        if self._known is None:
            self._known = {self._identity(folder) for folder in self._listed}
        if self._identity(link) in {self._identity(str(parent)) for parent in self.root.resolve().parents}:
            raise DataError(
                f"{link}, under the data root {self.root}, is a link to a folder that holds the data root itself",
                hint="remove the link, or point it to the folder that is meant",
            )
        yield from self.under(f"{link}/")

    def _odd(self, path: str, name: str, is_link: bool) -> str | Absent | None:
        """A link, or what is neither file nor folder: the path if it leads to a file that is wanted, None if nobody asked for it."""
        mode = mode_of(self.root / path)
        if stat.S_ISDIR(mode):
            if name not in self.left_out:
                self.links.append(path)
            return None
        is_wanted = self.wanted(name)
        if stat.S_ISREG(mode):
            return path if is_wanted else None
        if is_wanted or (is_link and not mode and not ending(name)):
            return Absent(path, self._absences.why(path))
        return None

    def _identity(self, folder: str) -> tuple[int, int]:
        found = (self.root / folder).stat()
        return found.st_dev, found.st_ino

    def _is_known(self, folder: str) -> bool:
        """Whether a folder was listed before, under another name; only links can make it so."""
        if self._known is None:
            return False
        here = self._identity(folder)
        if here in self._known:
            return True
        self._known.add(here)
        return False
