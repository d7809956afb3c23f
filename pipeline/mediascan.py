"""A look at every video of a dataset before hours of work: in parallel, in processes that a hanging file cannot stop."""

from __future__ import annotations

import importlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.ledger import STATES

if TYPE_CHECKING:
    from stages.index.dataset import Video

#: How many ids a line names.
SHOWN = 5
#: What is counted of files that open.
KINDS = ("container", "codec", "audio", "size of pictures", "rate")


@dataclass
class Tally:
    """Counts of what was found, of files that people call ``noun``; rows of files are kept only if ``rows`` is a list."""

    noun: str = "videos"
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in KINDS})
    bytes: int = 0
    unused: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] | None = None
    _same: dict[str, list[str]] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Count one file: ``{"id", "path", "state", "reason", ...}`` as of :func:`media.examine.examine`."""
        state = row["state"]
        self.counts[state] += 1
        if state != "ok" and len(self.first[state]) < SHOWN:
            self.first[state].append((row["id"], row["reason"]))
        self.bytes += row.get("size", 0)
        if row.get("digest") and row.get("size"):
            self._same.setdefault(row["digest"], []).append(row["id"])
        if "container" in row and STATES[state] != "lost":
            rate = f"{round(row['rate'], 2):g}/s" if row["rate"] else "not stated"
            picture = {"codec": row["codec"], "size of pictures": f"{row['width']}x{row['height']}"} if "codec" in row else {}
            for kind, value in {"container": row["container"], **picture, "audio": row["audio"] or "silent", "rate": rate}.items():
                self.kinds[kind][value] += 1
        if self.rows is not None:
            self.rows.append(row)

    @property
    def total(self) -> int:
        """Files of the dataset."""
        return self.counts.total()

    @property
    def lost(self) -> int:
        """Those of which nothing can be used."""
        return sum(n for state, n in self.counts.items() if STATES[state] == "lost")

    def duplicates(self) -> list[list[str]]:
        """Groups of ids whose files have the same bytes."""
        return sorted(sorted(ids) for ids in self._same.values() if len(ids) > 1)


def scan(
    layout: str,
    root: Path,
    *,
    memo: str,
    decode: bool,
    workers: int,
    timeout: float,
    keep: bool,
    bar: Callable[..., Any],
) -> Tally:
    """Look at every file that the layout's annotations name. Raises DataError on a bad annotation.

    ``memo``: where the store remembers digests ("": nowhere). ``timeout``: seconds a file. ``keep``: keep a row for every file.
    """
    from stages.index.adapters import adapter
    from stages.index.holdings import holdings

    found = holdings(layout, root)
    tally = Tally(adapter(layout).noun, unused=found.unused, rows=[] if keep else None)
    for video in found.missing:
        tally.add({"id": video.name, "path": video.path, "state": "missing", "reason": found.why[video.path]})
    for name, why in found.absent.items():
        tally.add({"id": name, "path": "", "state": "missing", "reason": why})
    with bar("scan", total=len(found.there), unit="file") as shown:
        for row in _examined(layout, found.there, root, memo, decode, workers, timeout):
            tally.add(row)
            shown.step()
    if tally.rows is not None:
        tally.rows.sort(key=lambda row: row["path"])
    return tally


def _examined(
    layout: str, videos: Iterable[Video], root: Path, memo: str, decode: bool, workers: int, timeout: float
) -> Iterator[dict[str, Any]]:
    from media.examine import Look
    from media.workers import run_killable
    from stages.index.adapters import adapter

    held = adapter(layout)
    module, _, function = held.examine.partition(":")
    examine = getattr(importlib.import_module(module), function)
    jobs = (((v.name, v.path), Look(str(root / v.path), decode, memo, held.streams, held.arrays.get(v.modality))) for v in videos)
    for done in run_killable(examine, jobs, workers=workers, timeout=timeout):
        id, path = done.key
        if done.state == "done":
            yield {"id": id, "path": path, **done.value}
        else:
            state = "timed_out" if done.state == "timed_out" else "failed"
            yield {"id": id, "path": path, "state": state, "reason": done.reason.replace(f"{root}/", "")}
