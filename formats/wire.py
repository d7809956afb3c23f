"""The protobuf wire format, as much as examples and indexes of checkpoints need: fields of a message, varints, length-delimited parts.

A message is a run of fields: a varint key ``number << 3 | wire type``, then a value. Wire types: 0 varint, 1 eight bytes, 2 length
and bytes, 5 four bytes. What is hostile or torn is an error: a varint without an end, a length beyond its message, a group.
"""

from __future__ import annotations

from collections.abc import Iterator

from cache.errors import DataError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(DataError):
    """Bytes that are no protobuf message; the text says what and at which byte."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned number at ``at`` and the position behind it. Raises WireError past ``end``, or over 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise WireError(f"byte {at}: the message ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 and not value >> 64:
            return value, at
    raise WireError(f"byte {at}: a number of more than 64 bits")


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, wire type, value's begin, value's end) of every field of the message ``data[start:end]``.

    For wire type 2 begin and end enclose the bytes; for a varint they enclose its bytes.
    """
    at = start
    while at < end:
        key = data[at]
        if key < 0x80:  # nearly every key and many lengths are one byte: a call for each would take as long as all the rest
            at += 1
        else:
            key, at = varint(data, at, end)
        number, kind = key >> 3, key & 7
        if number == 0 or number >= 1 << 29:
            raise WireError(f"byte {at}: field {number} cannot be")
        begin = at
        if kind == BYTES:
            if at < end and data[at] < 0x80:
                length, begin = data[at], at + 1
            else:
                length, begin = varint(data, at, end)
            at = begin + length
        elif kind == VARINT:
            _, at = varint(data, at, end)
        elif kind == FIXED32:
            at += 4
        elif kind == FIXED64:
            at += 8
        else:
            raise WireError(f"byte {at}: wire type {kind} is not used here")
        if at > end:
            raise WireError(f"byte {begin}: a field reaches {at - end} bytes beyond its message")
        yield number, kind, begin, at


def encode_varint(value: int) -> bytes:
    """The bytes of a number; negative ones as int64, in ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def part(number: int, content: bytes) -> bytes:
    """Field ``number`` with the bytes ``content`` (wire type 2)."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(content)) + content
