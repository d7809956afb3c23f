"""Which row of somebody else's features is which video of the dataset."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cache.errors import DataError, some
from cache.names import escape, unescape

#: MSVD-QA calls video 7 "vid7", MSRVTT-QA "video7"; their annotations and the published feature files say 7.
PREFIXED = re.compile(r"(?:video|vid)([0-9]+)")


def _without_prefix(id: str) -> str:
    found = PREFIXED.fullmatch(id)
    return found[1] if found else id


def unescaped(known: Iterable[str]) -> Callable[[str], str]:
    """Return what makes the name of a file the id that it was made from. The name of a long id holds only its digest: it is found among
    the ids that are ``known``."""
    names = {escape(id): id for id in known if id}
    return lambda name: names.get(name) or unescape(name) or name


def in_folders(known: Iterable[str]) -> Callable[[str], str]:
    """Return what makes ``<class>/<video>``, or a file in that folder, the id of the video, as Lite-MKD reads its lists: whatever the
    class; ``_`` is as good as a blank and a capital as a small letter, where that leaves no doubt. ids that hold a ``/`` are no names."""
    exact = set(known)
    folded: dict[str, list[str]] = {}
    for id in exact:
        folded.setdefault(_folded(id), []).append(id)

    def id_of(path: str) -> str:
        name = "/".join(path.split("/")[1:2])
        near = folded.get(_folded(name), [])
        return name if name in exact else near[0] if len(near) == 1 else path

    return id_of


def _folded(name: str) -> str:
    return name.replace(" ", "_").lower()


#: How ids of a file become ids of the dataset, given all of those; 'auto' tries them in this order.
RULES: dict[str, Callable[[Iterable[str]], Callable[[str], str]]] = {
    "exact": lambda known: lambda id: id,
    "prefix": lambda known: _without_prefix,
    "escaped": unescaped,
    "folder": in_folders,
}


@dataclass(frozen=True)
class Match:
    """Rows by the dataset's ids. ``missing`` ids of the dataset have no row, ``unexpected`` ids of the file are no videos of it."""

    rows: dict[str, int]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    rule: str


def match(found: Sequence[str], wanted: Sequence[str], rule: str = "auto") -> Match:
    """Match the ids of a file with those of the dataset. Raises DataError if one occurs twice, or if none is known."""
    rules = {name: RULES[name](wanted) for name in ([rule] if rule != "auto" else RULES)}
    rows_of = {name: _rows(found, each) for name, each in rules.items()}
    if not rows_of[next(iter(rows_of))]:
        raise DataError("there is no row to import")
    rule = max(rows_of, key=lambda name: sum(id in rows_of[name] for id in wanted))  # the first of the best
    rows = rows_of[rule]
    _refuse_twice(found, rules[rule], rows)
    known = set(wanted)
    if known.isdisjoint(rows):
        raise DataError(
            f"not one of its {len(found)} ids is a video of the dataset: it has {some(found)}, the dataset {some(wanted)}",
            hint="are these the features of another dataset? --dataset names the one they are for",
        )
    return Match(
        {id: rows[id] for id in wanted if id in rows},
        tuple(id for id in wanted if id not in rows),
        tuple(id for id in rows if id not in known),
        rule,
    )


def _rows(found: Sequence[str], rule: Callable[[str], str]) -> dict[str, int]:
    return {rule(id): row for row, id in enumerate(found)}


def _refuse_twice(found: Sequence[str], rule: Callable[[str], str], rows: dict[str, int]) -> None:
    twice = list(dict.fromkeys(rule(id) for row, id in enumerate(found) if rows[rule(id)] != row))
    if twice:
        raise DataError(
            f"{len(twice)} id{'s occur' if len(twice) > 1 else ' occurs'} more than once: {some(twice)}",
            hint="which of the rows is meant? A file of an extraction that was stopped often ends in rows of id 0: make it again",
        )
