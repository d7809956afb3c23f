"""Why there is no file where one was looked for: said so that a person knows what to do about it."""

from __future__ import annotations

import errno
import stat
from pathlib import Path, PurePosixPath

#: What can lie in the place of a file.
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)
#: How many names beside a file that is not there are told.
SHOWN = 3


def mode_of(path: Path) -> int:
    """The mode of what is there, links followed; 0 if nothing is, or if it cannot be seen."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def is_file(path: Path) -> bool:
    """Whether a plain file is there, links followed; False if it cannot be seen."""
    return stat.S_ISREG(mode_of(path))


class Absences:
    """Tells of the files that are not under ``root``; a folder is listed once, however many files it lacks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[str, list[str]] = {}

    def why(self, path: str) -> str:
        """What is wrong with ``path`` (relative, with ``/``), or with the first folder on the way that is not one."""
        parts = PurePosixPath(path).parts
        for count in range(1, len(parts) + 1):
            here = "/".join(parts[:count])
            try:
                mode = (self.root / here).stat().st_mode
            except OSError as error:
                return self._unseen(here, error)
            if count < len(parts) and not stat.S_ISDIR(mode):
                return f"{here} is not a folder"
        kind = next((text for test, text in KINDS if test(mode)), "")
        return f"{path} is {kind}, not a plain file" if kind else f"{path} cannot be read"

    def _unseen(self, here: str, error: OSError) -> str:
        try:
            target = str((self.root / here).readlink())
        except OSError:
            return f"{here} is not there{self._beside(here)}" if error.errno == errno.ENOENT else f"{here}: {error.strerror}"
        if ".git/annex/objects/" in target:
            return f"{here}: its content was not fetched (git annex get)"
        if error.errno == errno.ELOOP:
            return f"{here} is a link that leads round in a circle"
        wrong = "which is not there" if error.errno in (errno.ENOENT, errno.ENOTDIR) else f"which cannot be seen: {error.strerror}"
        return f"{here} is a link to {target}, {wrong}"

    def _beside(self, here: str) -> str:
        """The files that differ from it in their ending or in capitals only."""
        folder, _, name = here.rpartition("/")
        if folder not in self._names:
            try:
                self._names[folder] = sorted(path.name for path in (self.root / folder).iterdir())
            except OSError:
                self._names[folder] = []
        like = [other for other in self._names[folder] if _alike(other.lower(), name.lower())]
        prefix = f"{folder}/" if folder else ""
        return f"; {', '.join(prefix + other for other in like[:SHOWN])} is" if like else ""


def _alike(name: str, other: str) -> bool:
    """Whether two names in small letters are the same up to their endings."""
    return name == other or name.rpartition(".")[0] == other.rpartition(".")[0] != ""
