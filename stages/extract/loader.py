"""Frames of the sampled videos, decoded and resized, a few videos ahead of the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cache.errors import StoreError
from cache.items import ItemSet
from stages.extract.preprocess import Images, resize
from stages.media.frames import decode_payload


@dataclass(frozen=True)
class Clips:
    """One video's input: its distinct frames (K, S, S, 3), and for each place of a clip (C, F) which of them it shows."""

    digest: str
    frames: Images
    places: npt.NDArray[np.int64]


def load_clips(items: ItemSet, media: str, digest: str, size: int) -> Clips:
    """Read one video's sampled frames, check their digest, decode and resize them."""
    item = items.get(media)
    if item is None or item.digest != digest:
        raise StoreError(f"the frames of {media[:12]} are not what the sample stage recorded", hint="kdpipe sample")
    sampled = decode_payload(item.payload)
    frames = np.stack([resize(frame, size) for frame in sampled.frames])
    return Clips(digest, frames, np.searchsorted(sampled.numbers, sampled.index))


def prefetch(load: Callable[[tuple[str, str]], Clips], jobs: Sequence[tuple[str, str]], workers: int) -> Iterator[Clips]:
    """Yield ``load(job)`` in the order of ``jobs``; with ``workers`` > 1, threads work at most that many videos ahead.

    Decoding and resizing release the interpreter lock, so threads do; the order, and so every bit, stays the same.
    """
    if workers <= 1:
        yield from map(load, jobs)
        return
    with ThreadPoolExecutor(workers - 1, thread_name_prefix="frames") as pool:
        ahead: deque[Future[Clips]] = deque()
        try:
            for job in jobs:
                ahead.append(pool.submit(load, job))
                if len(ahead) > workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
