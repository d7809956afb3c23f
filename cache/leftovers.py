"""What processes left in ``tmp/``: removed once they are certainly dead, or when nobody can tell and it was not touched for a week."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cache import fs
from cache.locks import Holder, Owner

#: Seconds after which what nobody changed is given up, if nobody here can tell whether its owner lives.
GIVEN_UP = 7 * 86400.0


def remove(paths: Iterable[Path], holders: Callable[[], Iterable[Holder]]) -> None:
    """Remove what is left behind among ``paths``, which say in their names whose they are. ``holders``: who computes something now."""
    for path in paths:
        owner = Owner.parse(path.name)
        if owner is not None and (owner.dead or (not owner.here and _old(path) and all(one.owner != owner for one in holders()))):
            fs.remove_tree(path) if path.is_dir() else fs.remove_file(path)


def _old(path: Path) -> bool:
    """Whether nothing in ``path`` was changed for :data:`GIVEN_UP`."""
    before = time.time() - GIVEN_UP
    try:
        return path.stat().st_mtime < before and all(child.stat().st_mtime < before for child in path.rglob("*"))
    except FileNotFoundError:  # somebody is at work in it
        return False
