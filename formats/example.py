"""TensorFlow's ``Example`` and ``SequenceExample``: named lists of strings, floats or integers; and named sequences of such lists.

    SequenceExample: 1 context (Features), 2 feature_lists         Example: 1 features (Features)
    Features, FeatureLists: 1 map entry {1 key, 2 value}           FeatureList: 1 Feature, repeated
    Feature: 1 BytesList or 2 FloatList or 3 Int64List             each of these: 1 values, packed or not

Read as protobuf reads: entries in any order, the last of equal keys counts, a Feature may be empty, unknown fields are passed over,
parts of a message that come in pieces are put together. A sequence of strings of one length, which frame features are, is seen as
one array without a loop over its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from formats.wire import BYTES, FIXED32, VARINT, WireError, encode_varint, fields, part, varint

Bytes = npt.NDArray[np.uint8]
KINDS = {1: "bytes", 2: "float", 3: "int64"}
#: More names than this, or steps of a sequence, or strings of a list, are no example; looking at millions would take minutes.
MOST_NAMES, MOST_PARTS = 10_000, 100_000
NUMBERS = {kind: number for number, kind in KINDS.items()}


@dataclass(frozen=True)
class Feature:
    """A list: ``kind`` "bytes" (list of bytes), "float" (float32 array), "int64" (int64 array), or "" (nothing in it)."""

    kind: str = ""
    values: Any = ()

    def __len__(self) -> int:
        return len(self.values)


class FeatureList(Sequence[Feature]):
    """The steps of a sequence. ``rows`` (T, width) uint8 if every step is one string of the same length, else None."""

    def __init__(self, steps: Sequence[Feature] = (), rows: Bytes | None = None) -> None:
        self._steps = steps
        self.rows = rows

    def __len__(self) -> int:
        return len(self._steps) if self.rows is None else len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if self.rows is None:
            return self._steps[index]
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Feature("bytes", [self.rows[index].tobytes()])

    def matrix(self, width: int) -> Bytes:
        """The steps as uint8 (T, width), maybe a view of the record. Raises WireError naming a step that is not ``width`` bytes."""
        if self.rows is not None and self.rows.shape[1] == width:
            return self.rows
        for number, step in enumerate(self):
            if step.kind != "bytes" or len(step) != 1 or len(step.values[0]) != width:
                found = f"{len(step.values[0])} bytes" if step.kind == "bytes" and len(step) == 1 else f"{len(step)} values"
                raise WireError(f"step {number} holds {found}, expected one string of {width} bytes")
        return np.frombuffer(b"".join(step.values[0] for step in self), np.uint8).reshape(len(self), width)


@dataclass(frozen=True)
class SequenceExample:
    """``context``: name -> list. ``lists``: name -> sequence of lists."""

    context: dict[str, Feature] = field(default_factory=dict)
    lists: dict[str, FeatureList] = field(default_factory=dict)


def parse_example(data: bytes) -> dict[str, Feature]:
    """Name -> list of an ``Example``. Raises WireError if the bytes are none."""
    return {name: _feature(*span) for name, span in _entries(*_join(data, _parts(data, 0, len(data), 1)))}


def parse_sequence_example(data: bytes) -> SequenceExample:
    """Parse a ``SequenceExample``. Raises WireError if the bytes are none."""
    end = len(data)
    context = {name: _feature(*span) for name, span in _entries(*_join(data, _parts(data, 0, end, 1)))}
    lists = {name: _feature_list(*span) for name, span in _entries(*_join(data, _parts(data, 0, end, 2)))}
    return SequenceExample(context, lists)


Span = tuple[bytes, int, int]


def _parts(data: bytes, start: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Begin and end of every part with the number ``wanted``. Raises WireError for more than :data:`MOST_PARTS`."""
    found = []
    for number, kind, begin, stop in fields(data, start, end):
        if number == wanted and kind == BYTES:
            found.append((begin, stop))
            if len(found) > MOST_PARTS:
                raise WireError(f"byte {start}: more than {MOST_PARTS:,} names, steps or strings in a row are no example")
    return found


def _join(data: bytes, parts: list[tuple[int, int]]) -> Span:
    """One message of all its pieces: messages are merged by putting their bytes together."""
    if len(parts) == 1:
        return data, *parts[0]
    joined = b"".join(data[begin:end] for begin, end in parts)
    return joined, 0, len(joined)


def _entries(data: bytes, start: int, end: int) -> Iterator[tuple[str, Span]]:
    """Key and value of every map entry."""
    parts = _parts(data, start, end, 1)
    if len(parts) > MOST_NAMES:
        raise WireError(f"byte {start}: {len(parts):,} names are more than an example has")
    for begin, stop in parts:
        keys = _parts(data, begin, stop, 1)
        key = data[slice(*keys[-1])] if keys else b""
        try:
            name = key.decode()
        except UnicodeDecodeError as error:
            raise WireError(f"byte {begin}: a name that is no text: {key[:40]!r}") from error
        yield name, _join(data, _parts(data, begin, stop, 2))


def _feature(data: bytes, start: int, end: int) -> Feature:
    """A Feature: of several kinds the last counts."""
    kind = 0
    parts: list[tuple[int, int]] = []
    for number, wire, begin, stop in fields(data, start, end):
        if wire == BYTES and number in KINDS:
            if number != kind:
                kind, parts = number, []
            parts.append((begin, stop))
    if not kind:
        return Feature()
    return Feature(KINDS[kind], _VALUES[kind](*_join(data, parts)))


def _strings(data: bytes, start: int, end: int) -> list[bytes]:
    return [data[begin:stop] for begin, stop in _parts(data, start, end, 1)]


def _floats(data: bytes, start: int, end: int) -> npt.NDArray[np.float32]:
    pieces = []
    for number, wire, begin, stop in fields(data, start, end):
        if number == 1 and wire in (BYTES, FIXED32):
            if (stop - begin) % 4:
                raise WireError(f"byte {begin}: packed floats of {stop - begin} bytes")
            pieces.append(data[begin:stop])
    return np.frombuffer(b"".join(pieces), "<f4")


def _integers(data: bytes, start: int, end: int) -> npt.NDArray[np.int64]:
    values = []
    for number, wire, begin, stop in fields(data, start, end):
        if number == 1 and wire in (BYTES, VARINT):
            while begin < stop:
                value, begin = varint(data, begin, stop)
                values.append(value)
    return np.array(values, np.uint64).astype(np.int64)


_VALUES = {1: _strings, 2: _floats, 3: _integers}


def _feature_list(data: bytes, start: int, end: int) -> FeatureList:
    rows = _rows(data, start, end)
    if rows is not None:
        return FeatureList(rows=rows)
    return FeatureList([_feature(data, *span) for span in _parts(data, start, end, 1)])


def _rows(data: bytes, start: int, end: int) -> Bytes | None:
    """The steps as an array if all of them are laid out like the first: one string each, of one length."""
    if start == end:
        return None
    begin = head = start
    stop = end
    for depth in range(3):  # FeatureList, Feature, BytesList: the first step, its bytes, its only string
        number, wire, head, inner = next(fields(data, begin, stop))
        if number != 1 or wire != BYTES or (depth and inner != stop):
            return None
        begin, stop = head, inner
        if begin == stop and depth < 2:
            return None
    size = stop - start
    if (end - start) % size:
        return None
    steps = np.frombuffer(data, np.uint8, end - start, start).reshape(-1, size)
    before = steps[:, : head - start]
    return steps[:, head - start :] if (before == before[0]).all() else None


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """The bytes of an ``Example``, entries in the order given; numbers are packed, as TensorFlow writes them."""
    return part(1, _encode_features(features))


def encode_sequence_example(context: Mapping[str, Feature], lists: Mapping[str, Bytes | Iterable[Feature]]) -> bytes:
    """The bytes of a ``SequenceExample``; a sequence is given as uint8 (T, width), a row a step, or as its features."""
    entries = b"".join(_entry(name, _encode_steps(steps)) for name, steps in lists.items())
    return part(1, _encode_features(context)) + part(2, entries)


def _encode_features(features: Mapping[str, Feature]) -> bytes:
    return b"".join(_entry(name, _encode_feature(feature)) for name, feature in features.items())


def _entry(name: str, value: bytes) -> bytes:
    return part(1, part(1, name.encode()) + part(2, value))


def _encode_feature(feature: Feature) -> bytes:
    if not feature.kind:
        return b""
    if feature.kind == "bytes":
        content = b"".join(part(1, value) for value in feature.values)
    elif feature.kind == "float":
        content = np.asarray(feature.values, "<f4").tobytes()
    else:
        content = b"".join(encode_varint(int(value)) for value in feature.values)
    if feature.kind != "bytes" and content:
        content = part(1, content)
    return part(NUMBERS[feature.kind], content)


def _encode_steps(steps: Bytes | Iterable[Feature]) -> bytes:
    if not isinstance(steps, np.ndarray):
        return b"".join(part(1, _encode_feature(step)) for step in steps)
    if steps.dtype != np.uint8 or steps.ndim != 2:
        raise ValueError(f"frame features of type {steps.dtype} and shape {steps.shape}, expected uint8 (T, width)")
    empty = part(1, _encode_feature(Feature("bytes", [bytes(steps.shape[1])])))
    head = len(empty) - steps.shape[1]
    rows = np.empty((len(steps), len(empty)), np.uint8)
    rows[:, :head] = np.frombuffer(empty[:head], np.uint8)
    rows[:, head:] = steps
    return rows.tobytes()
