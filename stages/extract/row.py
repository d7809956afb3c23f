"""A row of the item set as bytes: a video's features and, right behind them, the checksum that their HDF5 chunk needs.

``cache.pack`` lays arrays out by name, so ``feature`` and ``fletcher32`` together are the chunk as it stands in the feature file:
it is put together once, when the features are made, and only copied when they are assembled. Rows of older checkouts have no checksum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cache.fletcher32 import fletcher32
from cache.pack import pack, parts_of, unpack

FloatArray = npt.NDArray[np.float32]


def pack_row(feature: FloatArray) -> bytes:
    """The payload of a row: ``feature`` float32 (C, F, V) or (C, V), and the checksum of its bytes."""
    data = np.ascontiguousarray(feature, "<f4")
    return pack({"feature": data, "fletcher32": fletcher32(data.tobytes())})


def unpack_row(payload: bytes | memoryview) -> FloatArray:
    """The features of a row: a read-only float32 array."""
    return unpack(payload)["feature"].astype(np.float32, copy=False)


def chunk_of(payload: bytes | memoryview, shape: tuple[int, ...]) -> bytes | memoryview:
    """The HDF5 chunk of a row: its features, then their checksum; taken here if the row is too old to have one.

    Raises ValueError if the features are not of that shape.
    """
    entries, body = parts_of(payload)
    found = dict(entries)
    if found["feature"].shape != shape:
        raise ValueError(f"a row of shape {found['feature'].shape}, expected {shape}")
    if found.keys() == {"feature", "fletcher32"}:
        return body
    data = unpack_row(payload).astype("<f4", copy=False).tobytes()
    return data + fletcher32(data)
