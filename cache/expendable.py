"""Checks what no result depends on: last words of failed runs, lists of imports, memories, temporary files."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from cache.finding import Finding, bytes_of
from cache.fingerprint import memo_is_sound
from cache.locks import Owner
from cache.store import Store, files_below, listed, open_sealed


def sealed(store: Store) -> Iterator[Finding]:
    """Small sealed files that no result depends on."""
    for room, what, repair in (
        ("failures", "what a failed run said", "run it again"),
        ("imports", "the list of imported features", "kdpipe import-features FILE once more"),
    ):
        for path in files_below(store.root / room):
            try:
                open_sealed(bytes_of(path))
            except ValueError as error:
                yield Finding(room, path, f"{what} is damaged: {error}", repair=repair, aside=path)


def memo(store: Store) -> Iterator[Finding]:
    """Digests, listings, times and parsed modules that are remembered."""
    repair = "nothing is lost: damaged entries are not used, and the memo may be deleted at any time"
    for path in sorted(listed(store.root / "memo")):
        bad = _CHECKS[path.name](bytes_of(path)) if path.name in _CHECKS else 0
        if bad:
            yield Finding("memo", path, f"{bad} damaged entries", repair=repair, aside=path)


def temporaries(store: Store) -> Iterator[Finding]:
    """What killed processes left behind."""
    for path in sorted(listed(store.root / "tmp")):
        owner = Owner.parse(path.name)
        if owner is None or owner.dead or owner.restarted:
            yield Finding("temporary", path, "left behind by a process that is gone; the next run sweeps it", note=True)


def _check_lines(data: bytes, split: Callable[[bytes], tuple[bytes, bytes]]) -> int:
    lines = data.split(b"\n")
    return sum(check != b"%08x" % zlib.crc32(body) for check, body in map(split, lines[:-1])) + (lines[-1] != b"")


def _check_digests(data: bytes) -> int:
    return _check_lines(data, lambda line: (line.rpartition(b" ")[2], line.rpartition(b" ")[0]))


def _check_timings(data: bytes) -> int:
    return _check_lines(data, lambda line: (line.partition(b" ")[0], line.partition(b" ")[2]))


def _check_code(data: bytes) -> int:
    return int(not memo_is_sound(data))


_CHECKS: dict[str, Callable[[bytes], int]] = {
    "digests.log": _check_digests,
    "listings.log": _check_digests,
    "timings.log": _check_timings,
    "code.json": _check_code,
}
