"""``keypoints``: people as numbers, float32: any number of them in each frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cache import pack
from media.codings.derived import Derived, Image, Numbers, People, Times, added, placed, unpacked


class KeypointCoder:
    """See :class:`media.codings.derived.Coder`."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[People, tuple[int, int]]] = {}

    def add(self, number: int, product: Any, frame: Image | None = None) -> None:
        """See :class:`media.codings.derived.Coder`; of the frame only its size is kept."""
        self._kept[number] = People.of(product), (0, 0) if frame is None else frame.shape[:2]

    def payload(self, index: Numbers, numbers: Numbers, times: Times) -> bytes:
        """``index``, ``numbers``, ``times``; ``sizes`` int32 (K, 2): height and width of the frame, 0 if not known;
        the people of frame k are the rows ``people[k]:people[k + 1]`` of ``keypoints``, ``boxes``, ``box_scores`` and ``scores``."""
        kept = added(self._kept, numbers)
        people = np.cumsum([0, *(len(one.scores) for one, _ in kept)]).astype(np.int64)
        rows = {name: np.concatenate([getattr(one, name) for one, _ in kept]) for name in People._fields}
        sizes = np.array([size for _, size in kept], np.int32)
        return pack.pack({"index": index, "numbers": numbers, "times": times, "sizes": sizes, "people": people, **rows})


def coder(options: Mapping[str, Any]) -> KeypointCoder:
    """It has no options."""
    return KeypointCoder()


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are :class:`media.codings.derived.People`, exactly as they were added."""
    arrays = unpacked(payload, "people")
    places, rows = placed(arrays["numbers"]), arrays["people"]

    def product(number: int) -> People:
        k = places[int(number)]
        return People(*(arrays[name][int(rows[k]) : int(rows[k + 1])] for name in People._fields))

    return Derived(arrays["index"], arrays["numbers"], arrays["times"], product)
