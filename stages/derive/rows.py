"""What an expert is to see of a video: its sampled frames, or pairs of them, decoded as they are needed.

A video is cut into parts of at most :data:`PART` rows, so that one of an hour is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache.errors import ConfigError
from cache.items import ItemSet
from media.frames import Frames, decode_payload, read_payload
from models.inference.batches import Item

Picture = npt.NDArray[np.uint8]

#: Rows of a part.
PART = 64
#: Payloads that are kept open: parts of one video come one after the other.
OPEN = 4


@dataclass(frozen=True)
class Video:
    """A video to be worked on.

    key:     of its row: the digest of its sampled frames. media: the key of the row that holds them.
    height, width: in pixels, of what the expert sees. numbers: the distinct frames that are shown, ascending.
    seen:    what the expert sees for each of them: the frame, or the frame and the one that it is paired with.
    """

    key: str
    media: str
    height: int
    width: int
    numbers: tuple[int, ...]
    seen: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Part:
    """Rows ``start`` .. ``stop`` of a video."""

    video: Video
    start: int
    stop: int

    @property
    def id(self) -> str:
        """The video's key and where the part begins."""
        return f"{self.video.key}:{self.start}"


def parts_of(video: Video) -> Iterator[Part]:
    """The parts of a video, in order."""
    for start in range(0, len(video.numbers), PART):
        yield Part(video, start, min(start + PART, len(video.numbers)))


class Reader:
    """Opens the rows of the sample stage; one reader serves all threads."""

    def __init__(self, items: ItemSet, params: Any, sample: str) -> None:
        """``params`` are those of the derive stage; ``sample`` is the node that is read, for what people are told to type."""
        self._params, self._sample = params, sample
        self._payload = lru_cache(OPEN)(lambda media, digest: read_payload(items, media, digest))

    def video(self, row: dict[str, Any]) -> Video:
        """What is to be done for a line of ``frames.jsonl``. Raises ConfigError if flow needs frames that were not kept."""
        frames = self._open(row.get("source", row["media"]), row["frames"])
        numbers = tuple(int(number) for number in np.unique(frames.index))
        height, width, _ = frames.images(numbers[0]).shape
        seen: Iterable[tuple[int, ...]] = ((number,) for number in numbers)
        if self._params.kind == "flow":
            partners = self._partners(numbers, frames, row)
            seen = ((min(pair), max(pair)) for pair in zip(numbers, partners, strict=True))
        size = self._params.height or height, self._params.width or width
        return Video(row["frames"], row.get("source", row["media"]), *size, numbers, tuple(seen))

    def _partners(self, numbers: tuple[int, ...], frames: Frames, row: dict[str, Any]) -> list[int]:
        """The frame that each is paired with: the next one, of the last one the one before; a video of one frame has no other."""
        if self._params.pairs == "next-sample":
            return [*numbers[1:], numbers[-2] if len(numbers) > 1 else numbers[-1]]
        kept = set(frames.numbers.tolist())
        partners = [number + 1 if number + 1 in kept else number - 1 if number - 1 in kept else number for number in numbers]
        for number, partner in zip(numbers, partners, strict=True):
            if partner != number + 1 and (number + 1 < row["count"] or (partner == number and number)):
                raise ConfigError(
                    f"flow from each frame to the next needs the frames beside the sampled ones, which {self._sample} did not keep",
                    hint=f"--set {self._sample}.with_next=true (the videos are decoded again), or --set derive.flow.pairs=next-sample",
                )
        return partners

    def load(self, part: Part) -> Item:
        """The rows of a part: uint8 (H, W, 3), or pairs (2, H, W, 3)."""
        return Item(part.id, part.stop - part.start, self._rows(part))

    def _rows(self, part: Part) -> Iterator[Picture]:
        video = part.video
        frames = self._open(video.media, video.key)
        at_hand: dict[int, Picture] = {}
        for seen in video.seen[part.start : part.stop]:
            at_hand = {number: at_hand[number] if number in at_hand else self._picture(video, frames, number) for number in seen}
            yield np.stack([at_hand[number] for number in seen]) if self._params.kind == "flow" else at_hand[seen[0]]

    def picture(self, video: Video, number: int) -> Picture:
        """One frame of a video, as the expert saw it."""
        return self._picture(video, self._open(video.media, video.key), number)

    def times_of(self, video: Video) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """The places (C, F) of the frames of a video, its distinct numbers, and their seconds."""
        frames = self._open(video.media, video.key)
        numbers = np.array(video.numbers, np.int32)
        return frames.index, numbers, frames.times[np.searchsorted(frames.numbers, numbers)]

    def _picture(self, video: Video, frames: Frames, number: int) -> Picture:
        image = frames.images(number)
        if image.shape[:2] == (video.height, video.width):
            return image
        return np.asarray(Image.fromarray(image).resize((video.width, video.height), Image.Resampling.BICUBIC))

    def _open(self, media: str, digest: str) -> Frames:
        return decode_payload(self._payload(media, digest))
