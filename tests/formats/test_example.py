"""Examples: what TensorFlow writes, every other legal spelling of it, and bytes that mean harm."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.errors import DataError
from formats.example import Feature, encode_example, encode_sequence_example, parse_example, parse_sequence_example
from formats.tfrecord import read_records
from formats.wire import WireError, encode_varint, part

FILES = Path(__file__).parents[1] / "data" / "tfrecord"


def plain(feature: Feature) -> tuple[str, list[Any]]:
    return feature.kind, [value if isinstance(value, bytes) else value.item() for value in feature.values]


def example(*entries: bytes) -> bytes:
    return part(1, b"".join(part(1, entry) for entry in entries))


def entry(name: str, feature: bytes) -> bytes:
    return part(1, name.encode()) + part(2, feature)


def sequence(name: str, *steps: bytes) -> bytes:
    return part(2, part(1, part(1, name.encode()) + part(2, b"".join(part(1, step) for step in steps))))


@pytest.mark.parametrize("name", ["train0093", "validate0001", "2017_trainAB"])
def test_sequences_of_tensorflow_are_written_with_the_same_bytes(name: str) -> None:
    for record in read_records(FILES / f"{name}.tfrecord"):
        parsed = parse_sequence_example(record.data)
        rows = {key: steps.rows for key, steps in parsed.lists.items()}
        assert encode_sequence_example(parsed.context, rows) == record.data
        one_by_one = {key: list(steps) for key, steps in parsed.lists.items()}
        assert encode_sequence_example(parsed.context, one_by_one) == record.data


def test_examples_of_tensorflow_are_written_with_the_same_bytes() -> None:
    for record in read_records(FILES / "video_level_train0093.tfrecord"):
        assert encode_example(parse_example(record.data)) == record.data


def test_packed_and_unpacked_numbers_are_the_same() -> None:
    numbers = [3, -1, -(2**63), 2**63 - 1]
    packed = part(3, part(1, b"".join(map(encode_varint, numbers))))
    unpacked = part(3, b"".join(b"\x08" + encode_varint(n) for n in numbers))
    mixed = part(3, b"\x08" + encode_varint(3) + part(1, b"".join(map(encode_varint, numbers[1:]))))
    for spelling in (packed, unpacked, mixed):
        assert plain(parse_example(example(entry("labels", spelling)))["labels"]) == ("int64", numbers)
    floats = [0.5, -2.0]
    packed = part(2, part(1, struct.pack("<2f", *floats)))
    unpacked = part(2, b"".join(b"\x0d" + struct.pack("<f", x) for x in floats))
    for spelling in (packed, unpacked):
        assert plain(parse_example(example(entry("x", spelling)))["x"]) == ("float", floats)


def test_a_negative_number_takes_ten_bytes() -> None:
    assert len(encode_varint(-1)) == 10


def test_the_last_of_equal_keys_counts() -> None:
    first, last = part(1, part(1, b"old")), part(1, part(1, b"new"))
    assert plain(parse_example(example(entry("id", first), entry("id", last)))["id"]) == ("bytes", [b"new"])


def test_entries_and_their_parts_come_in_any_order() -> None:
    value = part(2, part(1, part(1, b"x")))
    context = part(1, part(1, value + part(1, b"id")))
    steps = part(2, part(1, part(2, part(1, part(1, part(1, b"ab")))) + part(1, b"rgb")))
    parsed = parse_sequence_example(steps + context)
    assert plain(parsed.context["id"]) == ("bytes", [b"x"])
    assert parsed.lists["rgb"].matrix(2).tobytes() == b"ab"


def test_a_feature_may_be_empty() -> None:
    for feature in (b"", part(1, b""), part(2, b""), part(3, b""), part(3, part(1, b""))):
        assert len(parse_example(example(entry("labels", feature)))["labels"]) == 0
    assert len(parse_example(example(part(1, b"labels")))["labels"]) == 0


def test_of_several_kinds_the_last_counts_and_pieces_of_one_kind_are_joined() -> None:
    text, number = part(1, part(1, b"a")), part(3, part(1, b"\x07"))
    assert plain(parse_example(example(entry("x", text + number)))["x"]) == ("int64", [7])
    assert plain(parse_example(example(entry("x", number + number)))["x"]) == ("int64", [7, 7])
    assert plain(parse_example(example(entry("x", text + number + text)))["x"]) == ("bytes", [b"a"])


def test_unknown_fields_are_passed_over() -> None:
    unknown = b"\x50\x01" + b"\x5d1234" + b"\x5912345678" + part(12, b"more")
    data = unknown + example(entry("id", unknown + part(1, part(1, b"x") + unknown)) + unknown) + unknown
    assert plain(parse_example(data)["id"]) == ("bytes", [b"x"])


def test_a_sequence_that_comes_in_pieces_is_joined() -> None:
    step = [part(1, part(1, part(1, bytes([n] * 4)))) for n in range(3)]
    pieces = part(2, part(1, part(1, b"rgb") + part(2, step[0] + step[1]) + part(2, step[2])))
    assert parse_sequence_example(pieces).lists["rgb"].matrix(4)[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "steps",
    [
        [part(1, part(1, b"abcd")), part(1, part(1, b"ab"))],
        [part(1, part(1, b"abcd")), b""],
        [part(1, part(1, b"ab") + part(1, b"cd"))],
        [part(3, part(1, b"\x01"))],
        [part(1, part(1, b"abc"))],
    ],
)
def test_a_step_that_is_not_one_string_of_the_width_is_named(steps: list[bytes]) -> None:
    with pytest.raises(WireError, match=rf"step {len(steps) - 1} holds .*, expected one string of 4 bytes"):
        parse_sequence_example(sequence("rgb", *steps)).lists["rgb"].matrix(4)


def test_steps_of_the_same_size_but_another_structure_are_read_for_what_they_are() -> None:
    one, other = part(1, part(1, b"abcdef")), part(1, part(1, b"ab") + part(1, b"cd"))
    assert len(one) == len(other)
    steps = parse_sequence_example(sequence("rgb", one, other)).lists["rgb"]
    assert [plain(step) for step in steps] == [("bytes", [b"abcdef"]), ("bytes", [b"ab", b"cd"])]


@pytest.mark.parametrize(
    "data, what",
    [
        (b"\x0a\xff\xff\xff\xff\x0f", "beyond its message"),
        (b"\x0a\x80", "ends within a number"),
        (b"\xff" * 11, "more than 64 bits"),
        (b"\x0a" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x02\x00", "field 0"),
        (b"\x0b" * 100_000, "wire type 3"),
        (b"\x0d123", "beyond its message"),
        (example(entry("x", part(2, part(1, b"12345")))), "packed floats of 5 bytes"),
        (example(part(1, b"\xff\xfe") + part(2, b"")), "no text"),
        (b"this is a text, not an example", "wire type 4"),
    ],
)
def test_bytes_that_are_no_example_are_a_clear_error(data: bytes, what: str) -> None:
    for parse in (parse_example, parse_sequence_example):
        with pytest.raises(DataError, match=what):
            parse(data)


def test_parts_within_parts_a_thousand_deep_are_no_burden() -> None:
    data = b""
    for _ in range(1000):
        data = part(1, data)
    began = time.perf_counter()
    for parse in (parse_example, parse_sequence_example):
        with pytest.raises(WireError, match="no text"):
            parse(data)
    assert time.perf_counter() - began < 1


values = st.one_of(
    st.lists(st.binary(max_size=20), max_size=5).map(lambda v: Feature("bytes", v)),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5).map(lambda v: Feature("int64", np.array(v, np.int64))),
    st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(lambda v: Feature("float", np.array(v, np.float32))),
    st.just(Feature()),
)


@given(
    st.dictionaries(st.text(max_size=8), values, max_size=5), st.dictionaries(st.text(max_size=8), st.lists(values, max_size=6), max_size=3)
)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_again(context: dict[str, Feature], lists: dict[str, list[Feature]]) -> None:
    assert {k: plain(v) for k, v in parse_example(encode_example(context)).items()} == {k: plain(v) for k, v in context.items()}
    parsed = parse_sequence_example(encode_sequence_example(context, lists))
    assert {k: plain(v) for k, v in parsed.context.items()} == {k: plain(v) for k, v in context.items()}
    assert {k: [plain(s) for s in v] for k, v in parsed.lists.items()} == {k: [plain(s) for s in v] for k, v in lists.items()}


@given(st.integers(1, 20), st.integers(0, 300), st.randoms())
@settings(max_examples=60, deadline=None)
def test_frames_are_seen_as_one_array(steps: int, width: int, random: Any) -> None:
    frames = np.frombuffer(random.randbytes(steps * width), np.uint8).reshape(steps, width)
    read = parse_sequence_example(encode_sequence_example({}, {"rgb": frames})).lists["rgb"]
    assert read.rows is not None
    assert (read.matrix(width) == frames).all()
    assert [step.values for step in read] == [[row.tobytes()] for row in frames]


@given(st.binary(max_size=200))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_an_example_or_a_clear_error(data: bytes) -> None:
    for parse in (parse_example, parse_sequence_example):
        try:
            parse(data)
        except WireError as error:
            assert str(error)


@pytest.mark.parametrize("name", ["train0093", "video_level_train0093"])
def test_a_changed_byte_in_a_record_is_an_example_or_a_clear_error(name: str) -> None:
    data = next(iter(read_records(FILES / f"{name}.tfrecord"))).data
    parse = parse_example if name.startswith("video") else parse_sequence_example
    for at in range(0, len(data), 7):
        for value in (0x00, 0x7F, 0xFF):
            changed = data[:at] + bytes([value]) + data[at + 1 :]
            try:
                parse(changed)
            except WireError as error:
                assert str(error)
