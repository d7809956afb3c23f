"""The arrays of a video that a detector reads, mapped from their files: sampled frames, their flow, or both (spec 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cache.errors import DataError
from formats import afsd_npy
from systems.gkd.detection.transforms import SIDE, Array, resize

#: modality -> what reads its files
READERS: Mapping[str, Callable[[Path], Array]] = {"rgb": afsd_npy.read_rgb, "flow": afsd_npy.read}
#: Frames by which arrays and the table of videos may differ: programs count the frames of damaged videos differently.
SLACK = 10


class Arrays(NamedTuple):
    """Modality -> uint8 (T, H, W, C), mapped, all of ``length`` frames; ``note``: what a person has to know of their lengths, or ""."""

    by_modality: Mapping[str, Array]
    length: int
    note: str


def write_frames(path: Path, frames: Iterable[Array], count: int, side: int = SIDE) -> None:
    """Write ``count`` sampled frames (H, W, 3) of a video as AFSD does: ``side`` pixels high and wide, one at a time.

    Which frames those are is ``sample.policy=rate fps=10 take=last``. Raises ValueError if they are not ``count``.
    """
    afsd_npy.write(path, (resize(frame[None], side)[0] for frame in frames), count, 3)


def open_arrays(paths: Mapping[str, Path], frames: int | None = None, *, slack: int = SLACK) -> Arrays:
    """Open the arrays of one video; ``paths``: rgb, flow or both; ``frames``: ``sample_count`` of the table of videos, if there is one.

    They are used as far as the shortest goes. Raises DataError naming the file if one is not there, is damaged, or is no such array; if
    lengths differ by more than ``slack`` frames, or pictures in their size.
    """
    opened = {modality: READERS[modality](path) for modality, path in paths.items()}
    lengths = {str(paths[modality]): len(array) for modality, array in opened.items()}
    told = lengths | ({"the table of videos": frames} if frames is not None else {})
    said = ", ".join(f"{count:,} ({who})" for who, count in told.items())
    shortest, longest = min(told.values()), max(told.values())
    if longest - shortest > slack:
        raise DataError(
            f"numbers of sampled frames differ by {longest - shortest:,}: {said}", hint=f"at most {slack} are taken as a matter of counting"
        )
    sizes = {array.shape[1:3] for array in opened.values()}
    if len(sizes) > 1:
        raise DataError(f"frames and flow have pictures of {len(sizes)} sizes: " + ", ".join(map(str, paths.values())))
    count = min(lengths.values())
    note = f"numbers of sampled frames differ: {said}" if longest != shortest else ""
    return Arrays({modality: array[:count] for modality, array in opened.items()}, count, note)
