"""What runs is what was fingerprinted, in this process and in those that work for it.

Python takes a module from the first place on its path that has one. A partial copy of a package that comes earlier (PYTHONPATH, the
directory where a process was started) would run under the key of the code here; and a worker that starts later reads its modules
later. So every process says which files its modules came from, with the digests of their texts, and the runner compares that with
the fingerprint: before a stage begins, and before anything that a worker brings is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cache.errors import StoreError
from cache.fingerprint import Fingerprint
from cache.syntax import PACKAGES

#: Module -> the file that it came from (empty if Python tells none), and the sha256 of its text soon after it was loaded.
Report = dict[str, tuple[str, str]]

_told: set[str] = set()
_examine: Callable[[Report, bool], None] | None = None


def files() -> dict[str, str]:
    """Every project module of this process, and the file that it came from."""
    found = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name.split(".")[0] in PACKAGES}
    real = _Real()
    return {name: real(file) if file else "" for name, file in found.items()}


class _Real:
    """Real paths of files: each folder is resolved once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, file: str) -> str:
        folder, name = os.path.split(file)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        there = Path(self._folders[folder], name)
        return str(there.resolve() if there.is_symlink() else there)


def news() -> Report:
    """The project modules that this process loaded since it last said so."""
    fresh = {name: (file, _digest(file)) for name, file in files().items() if name not in _told}
    _told.update(fresh)
    return fresh


def hear(told: Report, *, inherited: bool = False) -> None:
    """Have a worker's report examined, if a stage is running. ``inherited``: it had these before it was given work.

    Raises StoreError if the worker runs other code than the key speaks of.
    """
    if _examine is not None and told:
        _examine(told, inherited)


@contextlib.contextmanager
def examining(check: Callable[[Report, bool], None]) -> Iterator[None]:
    """Let ``check(report, inherited)`` examine what workers report meanwhile."""
    global _examine
    before, _examine = _examine, check
    try:
        yield
    finally:
        _examine = before


def answer(function: Callable[[Any], Any], job: Any) -> tuple[Any, Report]:
    """``function(job)``, with what a worker of a process pool loaded for it; for :func:`taken`."""
    return function(job), news()


def taken(answered: tuple[Any, Report]) -> Any:
    """The value of an :func:`answer`, once it is known what computed it. Raises StoreError as :func:`hear` does."""
    hear(answered[1])
    return answered[0]


def check_files(fingerprint: Fingerprint, loaded: dict[str, str], who: str) -> None:
    """Raise StoreError, naming both files, if a loaded module is not the one that the fingerprint speaks of."""
    real = _Real()
    for name, file in sorted(loaded.items()):
        ours = fingerprint.source(name)
        if file != (real(str(ours)) if ours is not None else ""):
            raise StoreError(
                f"{who} runs {name} from {file or 'no file'}, but its key speaks of {ours or f'{fingerprint.root}, which has none'}",
                hint="another package of that name comes first on Python's path: take it off PYTHONPATH, or start elsewhere",
            )


@contextlib.contextmanager
def aside(names: Iterable[str]) -> Iterator[None]:
    """Meanwhile these modules are as if they had never been loaded: whoever imports one is seen to do so."""
    hidden = {name: sys.modules.pop(name) for name in list(names) if name in sys.modules}
    attributes = [(name, parent, vars(parent).pop(own)) for name, parent, own in _bound(hidden)]
    try:
        yield
    finally:
        sys.modules.update(hidden)
        for name, parent, value in attributes:
            setattr(parent, name.rpartition(".")[2], value)


def _bound(names: Iterable[str]) -> Iterator[tuple[str, Any, str]]:
    """Module, its package and its name there, of those that are attributes of a package."""
    for name in names:
        above, _, own = name.rpartition(".")
        parent = sys.modules.get(above)
        if parent is not None and own in vars(parent):
            yield name, parent, own


def _digest(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
