"""Frames of many videos in handfuls, for experts that look at a frame more than once: only a few are in memory, however long a video is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from models.experts.running import Job
from models.inference.batches import Array, Item
from models.inference.in_order import in_order
from models.inference.infer import one_thread

#: frames of a chunk
FRAMES = 16

Work = TypeVar("Work")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Chunk:
    """Some frames (H, W, 3) of the item ``id``, in order; ``last`` of that item."""

    id: str
    frames: tuple[Array, ...]
    last: bool


def chunks(jobs: Iterable[Job], load: Callable[[Job], Item], readers: int) -> Generator[Chunk, None, None]:
    """The rows of ``load(job)`` of every job; ``readers`` threads load ahead. An item without rows has one empty chunk."""
    with closing(in_order(load, jobs, readers, one_thread)) as items:
        for item in items:
            rows, left = iter(item.rows), item.count
            while True:
                frames = tuple(islice(rows, min(left, FRAMES)))
                left -= len(frames)
                yield Chunk(item.id, frames, left <= 0)
                if left <= 0:
                    break


def beside(
    works: Iterable[Work], compute: Callable[[Iterator[Work]], Iterable[Result]], has_work: Callable[[Work], bool], nothing: Result
) -> Generator[tuple[Work, Result], None, None]:
    """Every work with its result, in order. ``compute`` is given those that ``has_work`` and may take several ahead; of the others the
    result is ``nothing``."""
    waiting: deque[Work] = deque()

    def feed() -> Iterator[Work]:
        for work in works:
            waiting.append(work)
            if has_work(work):
                yield work

    for result in compute(feed()):
        while not has_work(waiting[0]):
            yield waiting.popleft(), nothing
        yield waiting.popleft(), result
    while waiting:
        yield waiting.popleft(), nothing


def whole(parts: Iterable[tuple[Chunk, Sequence[Any]]]) -> Iterator[tuple[str, list[Any]]]:
    """(id, products of all frames) of every item, from those of its chunks."""
    products: list[Any] = []
    for chunk, some in parts:
        products += some
        if chunk.last:
            yield chunk.id, products
            products = []
