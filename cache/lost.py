"""Items that were lost in a way that may be the machine's doing: it took too long, a worker was killed.

Such an outcome is no row: the next run tries the item again. But the processes that fill a set for one run are no next runs: what one of
them lost, neither its successor nor the run tries again. So they leave the outcomes beside their rows, in files ``*.lost`` of
the same form (an empty payload; state and reason in the meta). The run that comes last counts them, and removes the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

from cache import fs, network
from cache.shard import Place, encode_row, read_row, scan


class Lost:
    """What was lost of the set in ``directory``, by row key; ``keep``: for others too."""

    def __init__(self, directory: Path, *, keep: bool = False) -> None:
        self._own = directory / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.lost" if keep else None
        self._outcomes: dict[str, dict[str, Any]] = {}
        self._files = sorted(directory.glob("*.lost")) if directory.is_dir() else []
        for path in self._files:
            self._read(path)

    def _read(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # a run that ended meanwhile has removed it
            for place in network.again(lambda: list(scan(path))):
                with contextlib.suppress(ValueError):  # damaged: the item is tried again
                    if isinstance(place, Place):
                        meta = json.loads(read_row(place)[0])
                        meta.pop("crc32", None)
                        self._outcomes[place.key] = meta

    def __len__(self) -> int:
        return len(self._outcomes)

    def get(self, key: str) -> dict[str, Any] | None:
        """What became of the item of ``key`` (``state``, ``reason``), or None."""
        return self._outcomes.get(key)

    def add(self, key: str, outcome: dict[str, Any]) -> None:
        """Note an outcome; one that is kept is on disk when this returns."""
        self._outcomes[key] = outcome
        if self._own is not None:
            meta = json.dumps(outcome, sort_keys=True, separators=(",", ":")).encode()
            fs.make_directory(self._own.parent)
            fs.append(self._own, encode_row(key, meta, b""))

    def forget(self) -> None:
        """Remove the files that were read: their outcomes were counted, and the next run tries again."""
        for path in self._files:
            path.unlink(missing_ok=True)
        self._files = []
