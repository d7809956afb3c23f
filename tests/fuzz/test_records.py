"""TFRecords and the examples in them: whatever the bytes are, a video, a told damage or an error of ours."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats import example, tfrecord
from formats.examine import examine
from formats.example import Feature, encode_example, encode_sequence_example
from formats.tfrecord import Damage, RecordWriter, masked_crc, read_records
from formats.whitening import FILES, Whitening
from formats.wire import WireError, encode_varint, part
from formats.youtube8m import parse_frames, parse_means
from tests.fuzz.files import WRONG, refusal, spoilt, truncations

CONTEXT = {"id": Feature("bytes", [b"ab"]), "labels": Feature("int64", np.array([3, 1]))}
FRAMES = encode_sequence_example(CONTEXT, {"rgb": np.ones((2, 4), np.uint8), "audio": np.ones((2, 2), np.uint8)})
MEANS = encode_example({**CONTEXT, "mean_rgb": Feature("float", np.ones(4)), "mean_audio": Feature("float", np.ones(2))})
PARSERS = {"frames": (FRAMES, parse_frames), "means": (MEANS, parse_means)}


@dataclass
class Look:
    path: str
    decode: bool = True
    memo: str = ""


def header(length: int) -> bytes:
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", masked_crc(packed))


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_shard_is_told_or_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "train00.tfrecord"
    WRONG[what](path)
    assert (refusal(path, lambda: list(read_records(path))) is None) == (what == "an empty file")
    damages: list[Damage] = []
    refusal(path, lambda: list(read_records(path, damages.append)))
    looked: dict[str, Any] = {}
    assert refusal(path, lambda: looked.update(examine(Look(str(path))))) is None
    assert looked["state"] in ("missing", "failed", "empty", "undecodable") and looked["reason"]


@pytest.mark.parametrize("name", PARSERS)
def test_an_example_cut_at_any_byte_is_read_or_refused(name: str) -> None:
    data, parse = PARSERS[name]
    assert parse(data, 4, 2).id == "ab"
    refused = 0
    for cut in truncations(data):
        try:
            parse(cut, 4, 2)
        except WireError:
            refused += 1
    assert refused > len(data) * 0.9


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_spoilt_example_is_read_or_refused(name: str, data: st.DataObject) -> None:
    sample, parse = PARSERS[name]
    spoiled = data.draw(spoilt(sample))
    try:
        parse(spoiled, 4, 2)
    except WireError as error:
        assert error.message


@pytest.mark.parametrize("length", [1 << 60, (1 << 64) - 1, 1 << 40])
def test_a_length_beyond_the_file_asks_for_no_memory(length: int, tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(header(length) + bytes(100))
    error = refusal(path, lambda: list(read_records(path)))
    assert error is not None and f"a record of {length} bytes" in error.message


def test_a_record_too_large_for_a_video_is_passed_over_unread_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "LARGEST", 10)
    path = tmp_path / "x.tfrecord"
    with RecordWriter(path) as writer:
        for data in (b"before", bytes(11), b"behind"):
            writer.write(data)
    damages: list[Damage] = []
    assert [record.data for record in read_records(path, damages.append)] == [b"before", b"behind"]
    assert [(damage.kind, damage.offset, damage.reachable) for damage in damages] == [("too_large", 22, True)]
    assert refusal(path, lambda: list(read_records(path))) is not None


def _varints(size: int) -> bytes:
    return part(1, part(1, part(1, b"labels") + part(2, part(3, part(1, b"\x01" * size)))))


def _strings(size: int) -> bytes:
    return part(1, part(1, part(1, b"id") + part(2, part(1, b"\x0a\x00" * (size // 2)))))


def _steps(size: int) -> bytes:
    return part(2, part(1, part(1, b"rgb") + part(2, b"\x0a\x00" * (size // 2 - 2) + b"\x0a\x02\x0a\x00")))


def _entries(size: int) -> bytes:
    return part(1, b"\x0a\x00" * (size // 2))


def _nothing(size: int) -> bytes:
    return b"\x50\x01" * (size // 2)


@pytest.mark.parametrize("bomb", [_varints, _strings, _steps, _entries, _nothing])
def test_the_largest_record_of_the_smallest_parts_fits_the_memory_and_ends(bomb: Any, tmp_path: Path) -> None:
    data = bomb(tfrecord.LARGEST - 100)
    path = tmp_path / "x.tfrecord"

    def read() -> None:
        try:
            parse_frames(data, 4, 2)
        except WireError as error:
            raise WireError(f"{path}: {error.message}") from error

    refusal(path, read)


@pytest.mark.parametrize("bomb", [_strings, _steps, _entries])
def test_more_parts_than_an_example_has_are_refused_once_there_are_too_many(bomb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "MOST_PARTS", 100)
    with pytest.raises(WireError, match="more than 100 names, steps or strings"):
        parse_frames(bomb(1000), 4, 2)


@pytest.mark.parametrize("data", [b"\xff" * 1000, b"\x0a" + encode_varint(1 << 62), b"\x0a" + b"\xff" * 9 + b"\x7f", b"\x0b" * 9])
def test_numbers_and_lengths_without_end_are_refused(data: bytes) -> None:
    for _, parse in PARSERS.values():
        with pytest.raises(WireError, match="byte "):
            parse(data)


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_whitening_is_refused(name: str, what: str, tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float32)
    Whitening(rows[0], rows[0], rows).save(tmp_path)
    (tmp_path / name).unlink()
    WRONG[what](tmp_path / name)
    error = refusal(tmp_path, lambda: Whitening.load(tmp_path, 4))
    assert what == "an npy file" or (error is not None and name in error.message)
