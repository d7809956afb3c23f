"""The artifact of the ``arrays`` stage: one npy file a video, which readers map.

Writes
  <id>.npy       uint8 (T, H, W, 3) frames, or (T, H, W, 2) flow (x, y); the id is written as in a URL where it is no file name
  arrays.jsonl   a line for every video, in the order of the index: ``id``, ``file``, ``frames`` (T), ``height``, ``width``
  arrays.json    ``modality`` and ``fps``
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cache.errors import DataError
from cache.json_files import read_json, read_lines, write_json, write_lines
from systems.gkd.detection.arrays import READERS
from systems.gkd.detection.transforms import Array


class ArrayFiles(NamedTuple):
    """What the artifact holds: video -> its file and its number of frames, ``fps`` of them a second."""

    modality: str
    fps: float
    paths: dict[str, Path]
    lengths: dict[str, int]

    def open(self, video: str) -> Array:
        """The array of a video, mapped."""
        return READERS[self.modality](self.paths[video])


def file_of(video: str) -> str:
    """The name of a video's file, whatever its id is."""
    return f"{quote(video, safe='')}.npy"


def write_list(out: Path, videos: Iterable[str], modality: str, fps: float) -> None:
    """Write ``arrays.jsonl`` and ``arrays.json`` of the files that are in ``out``."""
    shapes = {video: READERS[modality](out / file_of(video)).shape for video in videos}
    lines = ({"id": v, "file": file_of(v), "frames": t, "height": h, "width": w} for v, (t, h, w, _) in shapes.items())
    write_lines(out / "arrays.jsonl", lines)
    write_json(out / "arrays.json", {"modality": modality, "fps": fps})


def read_list(artifact: Path) -> ArrayFiles:
    """What an artifact holds. Raises DataError if there is no array in it."""
    about, lines = read_json(artifact / "arrays.json"), list(read_lines(artifact / "arrays.jsonl"))
    if not lines:
        raise DataError("there is no array of any video", hint="kdpipe show arrays --ledger")
    paths = {str(line["id"]): artifact / line["file"] for line in lines}
    return ArrayFiles(about["modality"], float(about["fps"]), paths, {str(line["id"]): int(line["frames"]) for line in lines})
