"""What one shard is, found out in a worker process before hours of work depend on it: as ``media.examine`` for media files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Protocol

from cache.digest import digest_file
from cache.errors import DataError
from cache.given import plain_file
from cache.memo import DigestMemo
from formats.example import parse_example, parse_sequence_example
from formats.tfrecord import Damage, read_records
from formats.wire import WireError


class Look(Protocol):
    """One file to look at. ``decode``: every record, not the first alone. ``memo``: the store's memo of digests, or ""."""

    path: str
    decode: bool
    memo: str


def examine(look: Look) -> dict[str, Any]:
    """``state``, ``reason``, ``size`` (bytes), ``digest`` of a shard, and ``count``: its sound records (None without ``decode``)."""
    path = Path(look.path)
    facts: dict[str, Any] = {"state": "ok", "reason": ""}
    try:
        facts["size"] = plain_file(path)
        facts["digest"] = _memo(look.memo).digest(path) if look.memo else digest_file(path)
        return facts | _records(path, look.decode)
    except DataError as error:
        return facts | {"state": "failed" if path.exists() else "missing", "reason": error.message}
    except OSError as error:
        return facts | {"state": "failed", "reason": f"the file cannot be read: {error.strerror}"}


def _records(path: Path, decode: bool) -> dict[str, Any]:
    damages: list[Damage] = []
    count = 0
    for record in read_records(path, damages.append):
        try:
            if not parse_sequence_example(record.data).lists:
                parse_example(record.data)
            count += 1
        except WireError as error:
            damages.append(Damage(path, record.offset, "content", f"no example: {error.message}", reachable=True))
        if not decode:
            break
    told = (
        f"byte {damages[0].offset}: {damages[0].what}" + (f", and {len(damages) - 1} more" if len(damages) > 1 else "") if damages else ""
    )
    found: dict[str, Any] = {"count": count if decode else None}
    if not count:
        state = "empty" if path.stat().st_size == 0 else "undecodable"
        return found | {"state": state, "reason": told or "it holds no record"}
    return found | ({"state": "damaged", "reason": told} if damages else {})


@functools.lru_cache(maxsize=1)
def _memo(path: str) -> DigestMemo:
    return DigestMemo(Path(path))
