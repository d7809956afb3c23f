"""TensorFlow checkpoints (V2, "tensor bundles") read without TensorFlow.

``<prefix>.index`` is a sorted table of blocks with prefix-compressed keys: tensor name to where its bytes lie in
``<prefix>.data-XXXXX-of-XXXXX``. Every block and every tensor carries a masked CRC-32C; all are verified. Blocks compressed with
snappy are refused (TensorFlow writes none), and so are partitioned variables and big-endian files.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.given import plain_file, read_bytes, read_text
from formats.tfrecord import masked_crc
from formats.wire import BYTES, VARINT, WireError, fields, varint

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
TRAILER = 5
#: Bytes of the largest index that is read; those of published networks have some 10 kB. Axes of a tensor.
LARGEST_INDEX, MOST_AXES = 16 << 20, 32
FILES = "a checkpoint is PREFIX.index with PREFIX.data-00000-of-00001"
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "?", 19: "<f2"}


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies: ``offset`` and ``size`` in bytes of shard ``shard``, and the masked CRC of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def read_checkpoint(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All variables of a checkpoint by name. ``path``: its prefix, its ``.index`` file, or a folder (its latest checkpoint).

    Raises DataError naming the file and the byte offset for anything missing, damaged or not supported.
    """
    prefix = checkpoint_prefix(path)
    shards, entries = read_index(prefix.with_name(prefix.name + ".index"))
    _refuse_overlaps(path, entries)
    return {name: _tensor(prefix, shards, name, entry) for name, entry in entries.items()}


def _refuse_overlaps(path: Path, entries: dict[str, Entry]) -> None:
    """Raise DataError if two tensors take the same bytes: together they could be larger than any memory."""
    end, before = (-1, 0), ""
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].shard, item[1].offset, item[1].size)):
        if (entry.shard, entry.offset) < end and entry.size:
            raise DataError(f"{path}: {name} and {before} take the same bytes")
        end, before = max(end, (entry.shard, entry.offset + entry.size)), name


def checkpoint_prefix(path: Path) -> Path:
    """The prefix that ``path`` means; the folder's file ``checkpoint`` names the latest one."""
    if not path.is_dir():
        return path.with_suffix("") if path.suffix == ".index" else path
    text = read_text(path / "checkpoint", most=1 << 20, hint="name the checkpoint itself: FOLDER/model.ckpt-<step>")
    named = re.search(r'^model_checkpoint_path: "(.+)"\s*$', text, re.MULTILINE)
    if named is None:
        raise DataError(f"{path / 'checkpoint'} names no checkpoint", hint="name the checkpoint itself: FOLDER/model.ckpt-<step>")
    return path / Path(named[1]).name  # the folder may have moved since, so only the name counts


def read_index(path: Path) -> tuple[int, dict[str, Entry]]:
    """Number of shards, and where every tensor lies, from an ``.index`` file."""
    data = read_bytes(path, most=LARGEST_INDEX, hint=FILES)
    if len(data) < FOOTER or struct.unpack("<Q", data[-8:])[0] != MAGIC:
        raise DataError(f"{path} is no TensorFlow checkpoint index, or its end is missing")
    try:
        (_, _, offset, size), _ = _varints(data[-FOOTER:-8], 4)
        rows = list(_rows(path, data, [_varints(handle, 2)[0] for _, handle in _block(path, data, offset, size)]))
        header, entries = _numbers(rows[0][1]), {key.decode(): _entry(path, key.decode(), value) for key, value in rows[1:]}
    except (WireError, ValueError, struct.error) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if rows[0][0] != b"" or header.get(2, 0) != 0:
        raise DataError(f"{path}: no header for a little-endian checkpoint")
    return header.get(1, 1), entries


def _rows(path: Path, data: bytes, blocks: list[list[int]]) -> Iterator[tuple[bytes, bytes]]:
    """The rows of all blocks, which lie one behind the other: one named again and again would take any memory."""
    end = 0
    for offset, size in blocks:
        if offset < end:
            raise DataError(f"{path}: the block at offset {offset} overlaps the one before")
        end = offset + size
        yield from _block(path, data, offset, size)


def _block(path: Path, data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of every entry of the block at ``offset``, its checksum verified, keys in rising order."""
    body = data[offset : offset + size + TRAILER]
    if len(body) != size + TRAILER or struct.unpack("<I", body[-4:])[0] != masked_crc(body[:-4]):
        raise DataError(f"{path}: the block at offset {offset} is damaged (checksum)")
    if body[size] != 0:
        raise DataError(f"{path}: the block at offset {offset} is compressed, which is not supported", hint="save the checkpoint again")
    (restarts,) = struct.unpack("<I", body[size - 4 : size])
    end, place, key = size - 4 * (restarts + 1), 0, b""
    while place < end:
        (shared, fresh, length), place = _varints(body, 3, place)
        previous, key = key, key[:shared] + body[place : place + fresh]
        value = body[place + fresh : place + fresh + length]
        place += fresh + length
        if place > end or (previous and key <= previous):
            raise DataError(f"{path}: the block at offset {offset} is no sorted table")
        yield key, value


def _entry(path: Path, name: str, value: bytes) -> Entry:
    """Where the tensor ``name`` lies, from its BundleEntryProto."""
    shape: list[int] = []
    for number, content in _fields(value):
        if number == 2:
            shape = [_numbers(_message(dim)).get(1, 0) for kind, dim in _fields(_message(content)) if kind == 2]
    numbers = _numbers(value)
    if any(number == 7 for number, _ in _fields(value)):
        raise DataError(f"{path}: {name} is a partitioned variable, which is not supported")
    kind = DTYPES.get(numbers.get(1, 0))
    if kind is None:
        raise DataError(f"{path}: {name} has the data type {numbers.get(1, 0)}, which is not supported")
    entry = Entry(kind, tuple(shape), numbers.get(3, 0), numbers.get(4, 0), numbers.get(5, 0), numbers.get(6, 0))
    if len(shape) > MOST_AXES or math.prod(shape) * np.dtype(kind).itemsize != entry.size:
        raise DataError(f"{path}: {name} of shape {shape} cannot take {entry.size} bytes")
    return entry


def _tensor(prefix: Path, shards: int, name: str, entry: Entry) -> npt.NDArray[Any]:
    path = prefix.with_name(f"{prefix.name}.data-{entry.shard:05d}-of-{shards:05d}")
    there = plain_file(path, str(path), hint=FILES)
    if entry.offset + entry.size > there:
        raise DataError(f"{path} ends inside {name} (offset {entry.offset}, {entry.size} bytes)")
    try:
        with path.open("rb") as file:
            file.seek(entry.offset)
            data = file.read(entry.size)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", hint=FILES) from error
    if masked_crc(data) != entry.crc:
        raise DataError(f"{path}: {name} at offset {entry.offset} is damaged (checksum)")
    return np.frombuffer(data, entry.dtype).reshape(entry.shape)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field number and content of a protobuf message: an int, or bytes."""
    for number, kind, begin, end in fields(data, 0, len(data)):
        if kind == BYTES:
            yield number, data[begin:end]
        else:
            yield number, varint(data, begin, end)[0] if kind == VARINT else int.from_bytes(data[begin:end], "little")


def _numbers(data: bytes) -> dict[int, int]:
    """The numbers of a message by their fields; the last of a field counts."""
    return {number: content for number, content in _fields(data) if isinstance(content, int)}


def _message(content: Any) -> bytes:
    if not isinstance(content, bytes):
        raise ValueError("a number where a message belongs")
    return content


def _varints(data: bytes, count: int, place: int = 0) -> tuple[list[int], int]:
    """``count`` varints of ``data`` from ``place``, and where they end."""
    found = []
    for _ in range(count):
        value, place = varint(data, place, len(data))
        found.append(value)
    return found, place
