"""Names of classes and videos as parts of a path, for whoever reads files by the names of the data set."""

from __future__ import annotations

from collections.abc import Iterable

from cache.errors import KdpipeError, some
from cache.names import LONGEST, escape


def part(name: str) -> str:
    """``name`` as a folder or file is called: as it is with ``_`` for blanks, if that is one harmless part of a path; else escaped."""
    joined = "_".join(name.split())
    plain = joined.isprintable() and joined[:1] not in ("", ".", "-") and not set(joined) & set('/\\:*?"<>|')
    return joined if plain and len(joined.encode("utf-8", "surrogatepass")) <= LONGEST else escape(name)


def parts(names: Iterable[str]) -> dict[str, str]:
    """Name -> its part of a path. Raises KdpipeError if two names would be one on a file system that folds case."""
    found = {name: part(name) for name in dict.fromkeys(names)}
    taken: dict[str, str] = {}
    twins = [f"{name!r} and {taken[fold]!r}" for name, one in found.items() if taken.setdefault(fold := one.casefold(), name) != name]
    if twins:
        raise KdpipeError(f"names that would be one folder: {some(twins)}")
    return found
