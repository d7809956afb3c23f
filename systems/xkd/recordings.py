"""Clips with their sound, from artifacts of ``sample``: decoded when they are needed, and kept in memory as far as it goes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.items import ItemSet
from cache.json_files import read_lines
from media.frames import decode_payload, read_payload
from media.waveform import decode_waveform
from systems.xkd.video_views import shortened

Pictures = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]
FRAMES, SOUND = "frames", "sound"
#: modality -> the input that it is read from
SOURCES = {"video": FRAMES, "audio": SOUND}


class Recording(NamedTuple):
    """Frames uint8 (T, H, W, 3) at an even rate and samples float32 (N,) in -1..1 that begin together; what was not asked for is empty."""

    frames: Pictures
    samples: Samples


class Recordings:
    """Recordings by id; threads may share it. Only files that have everything of ``modalities`` are among ``ids``.

    fps, rate: those that networks see; other ones are a DataError.
    short:     frames are resized to this short side when they are read; 0: they stay as they are.
    cache_mb:  megabytes of recordings that are kept, whichever came first.
    """

    def __init__(
        self,
        inputs: Mapping[str, Path],
        items: Mapping[str, ItemSet],
        modalities: tuple[str, ...],
        *,
        fps: float,
        rate: int,
        short: int = 0,
        cache_mb: float = 0.0,
    ) -> None:
        self._items = {modality: items[SOURCES[modality]] for modality in modalities}
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}
        for modality in modalities:
            artifact = inputs[SOURCES[modality]]
            lines = read_lines(artifact / ("frames.jsonl" if modality == "video" else "sounds.jsonl"))
            self._rows[modality] = {str(row["id"]): row for row in lines}
        self._fps, self._rate, self._short, self._room = fps, rate, short, int(cache_mb * 2**20)
        self._kept: dict[str, Recording] = {}
        self._lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """In the order of the index."""
        first, *others = self._rows.values()
        return [id for id in first if all(id in rows for rows in others)]

    def lacking(self, id: str) -> str:
        """Which modalities a file has not."""
        return " and ".join(SOURCES[modality] for modality, rows in self._rows.items() if id not in rows)

    def digest(self, id: str) -> str:
        """What a recording is made of: the digests of its payloads."""
        return " ".join(str(rows[id]["frames" if modality == "video" else "sound"]) for modality, rows in self._rows.items())

    def __call__(self, id: str) -> Recording:
        """A recording; not to be written to. Raises StoreError if it is not what was recorded, DataError if its rate is another."""
        with self._lock:
            kept = self._kept.get(id)
        if kept is not None:
            return kept
        found = self._read(id)
        size = found.frames.nbytes + found.samples.nbytes
        with self._lock:
            if id not in self._kept and size <= self._room:
                self._kept[id] = found
                self._room -= size
        return found

    def _read(self, id: str) -> Recording:
        frames, samples, began = np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.float32), None
        if "video" in self._rows:
            row = self._rows["video"][id]
            sampled = decode_payload(read_payload(self._items["video"], row["media"], row["frames"]))
            once = {int(number): sampled.images(int(number)) for number in np.unique(sampled.index)}
            frames = np.stack([once[int(number)] for number in sampled.index.reshape(-1)])
            frames = shortened(frames, self._short) if self._short else frames
            began = float(sampled.times[0])
        if "audio" in self._rows:
            row = self._rows["audio"][id]
            wave = decode_waveform(read_payload(self._items["audio"], row["media"], row["sound"]))
            if wave.rate != self._rate:
                hint = f"--set sample.audio.audio_rate={self._rate}"
                raise DataError(f"{id} is kept with {wave.rate} samples a second, and the networks are for {self._rate}", hint=hint)
            samples = from_moment(wave.floats(), 0.0 if began is None else began - wave.start, wave.rate)
        return Recording(frames, samples)


def from_moment(samples: Samples, seconds: float, rate: int) -> Samples:
    """Samples from a moment after their first on; silence in front where that is before it."""
    first = round(seconds * rate)
    return samples[first:] if first >= 0 else np.concatenate([np.zeros(-first, np.float32), samples])
