"""The pictures of an artifact of ``sample`` or ``derive``, decoded when a clip needs them, and kept in memory as far as it goes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import DataError
from cache.items import ItemSet
from cache.json_files import read_lines
from media.frames import Frames, decode_payload, read_payload
from systems.gkd.recognition.views import Clip, scale


class Clips:
    """Pictures by id; threads may share it. ``cache_mb`` megabytes of videos are kept, whichever came first."""

    def __init__(self, artifact: Path, items: ItemSet, modality: str, *, cache_mb: float = 0.0) -> None:
        self._rows: dict[str, dict[str, Any]] = {str(row["id"]): row for row in read_lines(artifact / "frames.jsonl")}
        self._items, self.modality, self._room = items, modality, int(cache_mb * 2**20)
        self._kept: dict[tuple[str, int], Clip] = {}
        self._lock = threading.Lock()

    @property
    def ids(self) -> set[str]:
        """Those of which there are pictures."""
        return set(self._rows)

    def __call__(self, id: str, short: int = 0) -> VideoPictures:
        """The pictures of a video, resized to the short side ``short`` (0: as they are)."""
        with self._lock:
            kept = self._kept.get((id, short))
        if kept is not None:
            return VideoPictures(self.modality, whole=kept)
        row = self._rows[id]
        found = VideoPictures(
            self.modality, decode_payload(read_payload(self._items, row.get("source", row["media"]), row["frames"])), short
        )
        return found if self._room <= 0 else self._keep(id, short, found)

    def _keep(self, id: str, short: int, found: VideoPictures) -> VideoPictures:
        """The same in memory, if there is room."""
        if found.bytes > self._room:
            return found
        whole = found.whole()
        with self._lock:
            if (id, short) not in self._kept and whole.nbytes <= self._room:
                self._kept[id, short] = whole
                self._room -= whole.nbytes
        return VideoPictures(self.modality, whole=whole)


class VideoPictures:
    """The pictures of one video. ``count``: as many as the published programs find; flows are one fewer than frames."""

    def __init__(self, modality: str, frames: Frames | None = None, short: int = 0, *, whole: Clip | None = None) -> None:
        self._frames, self._short, self._whole = frames, short, whole
        self._numbers = [] if frames is None else [int(number) for number in frames.index.reshape(-1)]
        total = len(self._numbers) if whole is None else len(whole)
        self.count = max(1, total - 1) if modality == "flow" else total
        self._channels = 2 if modality == "flow" else 3

    @property
    def bytes(self) -> int:
        """Of all pictures, as they are kept."""
        if self._whole is not None:
            return self._whole.nbytes
        return len(self._numbers) * self.take([1]).nbytes

    def whole(self) -> Clip:
        """All pictures, one that derive repeats at the end among them."""
        return self._take(range(len(self._numbers)))

    def take(self, numbers: Sequence[int]) -> Clip:
        """The pictures of these numbers, from 1, uint8 (T, H, W, C)."""
        places = [number - 1 for number in numbers]
        return self._take(places) if self._whole is None else self._whole[places]

    def _take(self, places: Sequence[int]) -> Clip:
        assert self._frames is not None
        once = {place: self._frames.images(self._numbers[place]) for place in sorted(set(places))}
        clip = np.stack([once[place] for place in places])
        if clip.ndim != 4 or clip.shape[-1] != self._channels:
            what = "flow of two planes (x, y)" if self._channels == 2 else "RGB"
            raise DataError(f"pictures of {clip.shape[1:]} where {what} is needed", hint="--set derive.flow.coding=xy")
        return scale(clip, self._short) if self._short else clip
