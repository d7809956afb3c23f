"""What ``fsck --repair`` does: damaged things are put into quarantine, never deleted, and what is sound in them is kept.

Whatever is put aside is then missing, not wrong: the next run computes it (and only it), or a pull brings it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from cache import fs
from cache.finding import Finding
from cache.fsck import Fsck
from cache.items import FLUSH_BYTES
from cache.shard import Place, encode_row, read_row, scan
from cache.store import Store

#: A damaged row leaves a record without its rows, which leaves a ref without its record: so many rounds, and one more.
ROUNDS = 5


def repair(store: Store, check: Callable[[], Fsck], findings: Iterable[Finding]) -> list[tuple[Path, Path]]:
    """Put aside what ``findings`` name, check again, and go on until a check finds nothing more to put aside.

    Returns (where it was, where it is now). The store may be in use: readers of what is put aside get an error, never wrong bytes.
    """
    store.prepare()
    moved: list[tuple[Path, Path]] = []
    for _ in range(ROUNDS):
        todo = [finding for finding in findings if not finding.note]
        before = len(moved)
        for finding in todo:
            if finding.kind == "mode":
                fs.make_read_only(finding.path)
        for path in dict.fromkeys(finding.aside for finding in todo if finding.aside is not None):
            if path.exists() or path.is_symlink():
                moved.append((path, _put_aside(store, path)))
        if len(moved) == before:
            break
        findings = list(check())
    return moved


def _put_aside(store: Store, path: Path) -> Path:
    if path.suffix == ".items" and path.is_file() and not path.is_symlink():
        salvage(store, path)
    return store.quarantine(path)


def salvage(store: Store, shard: Path) -> int:
    """Copy the sound rows of a damaged shard into a new one beside it; returns how many there are."""
    temporary = store.temporary()
    rows: list[bytes] = []
    count = size = 0
    for place in scan(shard):
        if not isinstance(place, Place):
            continue
        try:
            meta, payload = read_row(place)
        except (ValueError, OSError):
            continue
        rows.append(encode_row(place.key, meta, payload))
        count, size = count + 1, size + len(rows[-1])
        if size >= FLUSH_BYTES:
            fs.append(temporary, b"".join(rows))
            rows, size = [], 0
    if count:
        fs.append(temporary, b"".join(rows))
        fs.move(temporary, shard.parent / f"{temporary.name.rpartition('_')[2]}-salvaged.items")
    return count
