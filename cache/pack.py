"""A payload of named arrays as bytes, always the same bytes for the same arrays.

Layout: 8-byte little-endian header length, a JSON header ``{name: [dtype, shape, offset, length]}`` with sorted names,
then the arrays' C-order bytes. Object arrays are refused. ``bytes`` values travel as ``|u1`` vectors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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


def unpack(payload: bytes | memoryview) -> dict[str, Array]:
    """Return name -> read-only array, views into ``payload``. Raises ValueError on a malformed payload."""
    view = memoryview(payload)
    if len(view) < 8:
        raise ValueError("payload is shorter than its header")
    size = int.from_bytes(view[:8], "little")
    if 8 + size > len(view):
        raise ValueError("payload is shorter than its header")
    header = json.loads(bytes(view[8 : 8 + size]))
    body = view[8 + size :]
    arrays: dict[str, Array] = {}
    for name, (dtype, shape, offset, length) in header.items():
        if offset + length > len(body):
            raise ValueError(f"array {name!r} reaches past the end of the payload")
        arrays[name] = np.frombuffer(body[offset : offset + length], np.dtype(dtype)).reshape(shape)
    return arrays
