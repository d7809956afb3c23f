"""What processes left in ``tmp/``: removed once they are certainly dead, or when nobody can tell and it was not touched for a week."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cache import fs
from cache.locks import DEAD_AFTER, Holder, Owner

#: Seconds after which what nobody changed is given up, if nobody here can tell whether its owner lives.
GIVEN_UP = 7 * 86400.0


def remove(paths: Iterable[Path], holders: Callable[[], Iterable[Holder]]) -> None:
    """Remove what is left behind among ``paths``, which say in their names whose they are. ``holders``: who computes something now."""
    for path in paths:
        owner = Owner.parse(path.name)
        if owner is not None and _is_left(path, owner, holders):
            fs.remove_tree(path) if path.is_dir() else fs.remove_file(path)


def is_dead(path: Path, owner: Owner) -> bool:
    """Whether the owner of ``path`` is dead, as far as can be told here."""
    return owner.dead or (owner.restarted and _old(path, DEAD_AFTER))


def _is_left(path: Path, owner: Owner, holders: Callable[[], Iterable[Holder]]) -> bool:
    if owner.here:
        return owner.dead
    return _old(path, DEAD_AFTER if owner.restarted else GIVEN_UP) and all(one.owner != owner for one in holders())


def _old(path: Path, seconds: float) -> bool:
    """Whether nothing in ``path`` was changed for so long."""
    before = time.time() - seconds
    try:
        return path.stat().st_mtime < before and all(child.stat().st_mtime < before for child in path.rglob("*"))
    except FileNotFoundError:  # somebody is at work in it
        return False
