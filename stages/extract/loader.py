"""Frames of the sampled videos: read, checked, decoded and resized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, StoreError
from cache.items import ItemSet
from cache.pack import unpack
from media.frames import decode_payload
from models.backbones.kinds import Kind
from models.inference.batches import Item
from stages.extract.resize import Images, resize


@dataclass(frozen=True)
class Clips:
    """One video's input: its distinct frames (K, S, S, channels), and for each place of a clip (C, F) which of them it shows."""

    digest: str
    frames: Images
    places: npt.NDArray[np.int64]

    def work(self, kind: Kind) -> Item:
        """What the network is to see of it: every distinct frame once, or every clip."""
        if kind.clips:
            return Item(self.digest, len(self.places), (self.frames[places] for places in self.places))
        return Item(self.digest, len(self.frames), self.frames)


def load_clips(items: ItemSet, media: str, digest: str, size: int, method: str = "pil", channels: int = 3) -> Clips:
    """Read one video's sampled frames, check their digest, decode and resize them by ``method``.

    Raises StoreError if they are not what was recorded, DataError if they have another number of channels.
    """
    item = items.get(media)
    if item is None or item.digest != digest:
        raise StoreError(
            f"the frames of {media[:12]} are not what the sample stage recorded",
            hint="kdpipe fsck --repair names and puts aside what lost them; kdpipe sample then decodes just these videos",
        )
    sampled = decode_payload(item.payload)
    frames = np.stack([resize(sampled.images(int(number)), size, method) for number in sampled.numbers])
    if frames.shape[-1] != channels:
        raise DataError(
            f"frames of {frames.shape[-1]} channels, where the network takes {channels}", hint="flow has 2 (x, y), video 3 (RGB)"
        )
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
