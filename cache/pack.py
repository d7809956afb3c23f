"""A payload of named arrays as bytes, always the same bytes for the same arrays.

Layout: 8-byte little-endian header length, a JSON header ``{name: [dtype, shape, offset, length]}`` with sorted names,
then the arrays' C-order bytes. Object arrays are refused. ``bytes`` values travel as ``|u1`` vectors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


def pack(arrays: Mapping[str, Array | bytes]) -> bytes:
    """Return the bytes of ``arrays``; the order of the mapping does not matter."""
    header: dict[str, list[object]] = {}
    parts: list[bytes] = []
    offset = 0
    for name in sorted(arrays):
        value = arrays[name]
        array = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.asarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} holds Python objects")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        data = array.tobytes(order="C")
        header[name] = [array.dtype.str, list(array.shape), offset, len(data)]
        parts.append(data)
        offset += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    return len(head).to_bytes(8, "little") + head + b"".join(parts)


class Entry(NamedTuple):
    """One array of a payload: ``offset`` and ``length`` in bytes of the body, which begins behind the header."""

    dtype: npt.DTypeLike
    shape: tuple[int, ...]
    offset: int
    length: int


def unpack(payload: bytes | memoryview) -> dict[str, Array]:
    """Return name -> read-only array, views into ``payload``. Raises ValueError on a malformed payload."""
    entries, body = parts_of(payload)
    return {name: np.frombuffer(body[offset : offset + length], dtype).reshape(shape) for name, (dtype, shape, offset, length) in entries}


def parts_of(payload: bytes | memoryview) -> tuple[tuple[tuple[str, Entry], ...], memoryview]:
    """Return what lies where in ``payload``, by name, and its body. Raises ValueError as :func:`unpack`."""
    view = memoryview(payload)
    size = 8 + int.from_bytes(view[:8], "little")
    if len(view) < 8 or size > len(view):
        raise ValueError("payload is shorter than its header")
    entries, end = _header(bytes(view[8:size]))
    if end > len(view) - size:
        raise ValueError("an array reaches past the end of the payload")
    return entries, view[size:]


@lru_cache(64)
def _header(text: bytes) -> tuple[tuple[tuple[str, Entry], ...], int]:
    """The entries of a header, and where the last array ends; remembered, since payloads of one kind mostly have one header."""
    entries = [(name, Entry(np.dtype(dtype), tuple(shape), *place)) for name, (dtype, shape, *place) in json.loads(text).items()]
    return tuple(entries), max((entry.offset + entry.length for _, entry in entries), default=0)
