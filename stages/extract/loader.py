"""Frames of the sampled videos: read, checked, decoded and resized."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cache.errors import StoreError
from cache.items import ItemSet
from cache.pack import unpack
from media.frames import decode_payload
from stages.extract.preprocess import Images, resize


@dataclass(frozen=True)
class Clips:
    """One video's input: its distinct frames (K, S, S, 3), and for each place of a clip (C, F) which of them it shows."""

    digest: str
    frames: Images
    places: npt.NDArray[np.int64]

    def without_frames(self) -> Clips:
        """The same, less the pictures: what is needed once they are on their way."""
        return dataclasses.replace(self, frames=self.frames[:0])


def load_clips(items: ItemSet, media: str, digest: str, size: int, method: str = "pil") -> Clips:
    """Read one video's sampled frames, check their digest, decode and resize them by ``method``."""
    item = items.get(media)
    if item is None or item.digest != digest:
        raise StoreError(
            f"the frames of {media[:12]} are not what the sample stage recorded",
            hint="kdpipe fsck --repair names and puts aside what lost them; kdpipe sample then decodes just these videos",
        )
    sampled = decode_payload(item.payload)
    frames = np.stack([resize(sampled.images(int(number)), size, method) for number in sampled.numbers])
    return Clips(digest, frames, np.searchsorted(sampled.numbers, sampled.index))


def clip_shape(items: ItemSet, media: str) -> tuple[int, int]:
    """(C, F) of one video's clips, without decoding them."""
    item = items.get(media)
    if item is None:
        raise StoreError(
            f"the frames of {media[:12]} are not there",
            hint="kdpipe fsck --repair names and puts aside what lost them; kdpipe sample then decodes just these videos",
        )
    clips, frames = unpack(item.payload)["index"].shape
    return clips, frames
