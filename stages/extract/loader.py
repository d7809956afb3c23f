"""Frames of the sampled videos: read, checked, decoded and resized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.items import ItemSet
from cache.pack import unpack
from media.frames import decode_payload, read_payload
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
    sampled = decode_payload(read_payload(items, media, digest))
    shown = np.unique(sampled.index)
    frames = np.stack([resize(sampled.images(int(number)), size, method) for number in shown])
    if frames.shape[-1] != channels:
        raise DataError(
            f"frames of {frames.shape[-1]} channels, where the network takes {channels}", hint="flow has 2 (x, y), video 3 (RGB)"
        )
    return Clips(digest, frames, np.searchsorted(shown, sampled.index))


def clip_shape(items: ItemSet, media: str, digest: str) -> tuple[int, int]:
    """(C, F) of one video's clips, without decoding them. Raises StoreError as :func:`load_clips`."""
    clips, frames = unpack(read_payload(items, media, digest))["index"].shape
    return clips, frames
