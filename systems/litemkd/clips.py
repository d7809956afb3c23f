"""The clips of an artifact of ``sample`` or ``derive``, decoded and resized when they are needed, and kept in memory as far as it goes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from cache.items import ItemSet
from cache.json_files import read_lines
from media.frames import decode_payload, read_payload
from systems.litemkd.views import Clip, resize


class Clips:
    """Clips by id: uint8 (T, H, W, 3), T the frames that were sampled. Threads may share it.

    Videos of fewer than ``frames`` frames are not among ``ids``, as in the published code: ``short`` says which, and why. Clips are resized
    to a short side of ``side`` pixels (0: as they are). ``cache_mb`` megabytes of them are kept; episodes draw at random, so whichever
    came first are as good as any.
    """

    def __init__(self, artifact: Path, items: ItemSet, *, frames: int = 8, side: int = 0, cache_mb: float = 0.0) -> None:
        listed = {str(row["id"]): row for row in read_lines(artifact / "frames.jsonl")}
        self.short = {id: f"it has {row['count']} frames, and {frames} are needed" for id, row in listed.items() if row["count"] < frames}
        self._rows: dict[str, dict[str, Any]] = {id: row for id, row in listed.items() if id not in self.short}
        self._items, self._side, self._room = items, side, int(cache_mb * 2**20)
        self._kept: dict[str, Clip] = {}
        self._lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """In the order of the index."""
        return list(self._rows)

    def digest(self, id: str) -> str:
        """The digest of a clip's payload."""
        return str(self._rows[id]["frames"])

    def clip(self, id: str) -> Clip:
        """The clip of a video; not to be written to. Raises StoreError if its frames are not what was recorded."""
        with self._lock:
            kept = self._kept.get(id)
        if kept is not None:
            return kept
        clip = self._read(self._rows[id])
        with self._lock:
            if id not in self._kept and clip.nbytes <= self._room:
                self._kept[id] = clip
                self._room -= clip.nbytes
        return clip

    def _read(self, row: dict[str, Any]) -> Clip:
        sampled = decode_payload(read_payload(self._items, row.get("source", row["media"]), row["frames"]))
        clip = np.stack([sampled.images(number) for number in sampled.index.reshape(-1).tolist()])
        return resize(clip, self._side) if self._side else clip
