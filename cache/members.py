"""What each item of a result is: id -> (digest of what went in, digest of what came out).

The list stands beside the action record and is for people: ``why`` says how many videos changed, ``fsck`` which of them a damaged
row is. No result depends on it. One JSON array a line, sorted by id: any text is an id.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Members:
    """Items by id. ``row`` is the key of the item's row (or empty), ``digest`` that of its content (or empty: nothing came out)."""

    rows: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, id: str, row: str, digest: str) -> None:
        """Note an item; a later call for the same id replaces it."""
        self.rows[str(id)] = (row, digest)

    def contents(self) -> Members:
        """The same by their content alone: a row under another key with the same content is no change."""
        return Members({id: ("", digest) for id, (_, digest) in self.rows.items()})

    def dump(self) -> bytes:
        """The list as JSON lines."""
        return "".join(json.dumps([id, *self.rows[id]], separators=(",", ":")) + "\n" for id in sorted(self.rows)).encode()

    @classmethod
    def read(cls, path: Path, digest: str) -> Members:
        """Read :meth:`dump`; empty if the file is not there or does not have the sha256 ``digest``."""
        try:
            data = path.read_bytes()
        except OSError:
            return cls()
        if hashlib.sha256(data).hexdigest() != digest:
            return cls()
        return cls({id: (row, content) for id, row, content in map(json.loads, data.splitlines())})


@dataclass(frozen=True)
class Change:
    """How two lists of members differ: ids whose content changed, that came, that went; ``total`` is how many there are now."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]
    total: int

    @classmethod
    def between(cls, old: Members, new: Members) -> Change:
        """The difference from ``old`` to ``new``."""
        changed = tuple(sorted(id for id in old.rows.keys() & new.rows.keys() if old.rows[id] != new.rows[id]))
        return cls(changed, tuple(sorted(new.rows.keys() - old.rows.keys())), tuple(sorted(old.rows.keys() - new.rows.keys())), len(new))
