"""How long nodes took, for estimates. An append-only log that may be deleted at any time; damaged lines are skipped."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cache import fs


@dataclass(frozen=True)
class Timing:
    """One run: ``seconds`` for ``items`` items, of which ``computed`` were not there before (both 0 for a stage without items)."""

    node: str
    dataset: str
    system: str
    seconds: float
    items: int = 0
    computed: int = 0


class Timings:
    """Timings of a store, oldest first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Timing]:
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            check, _, body = line.partition(b" ")
            if check == b"%08x" % zlib.crc32(body):
                yield Timing(**json.loads(body))

    def add(self, timing: Timing) -> None:
        """Note a run; an estimate that cannot be kept is no reason to fail."""
        body = json.dumps(asdict(timing), sort_keys=True).encode()
        fs.append_line(self.path, b"%08x %s\n" % (zlib.crc32(body), body))
