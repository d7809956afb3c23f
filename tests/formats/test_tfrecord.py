"""The frame around records: what is read, and how each damage is told and passed over."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.tfrecord import Damage, RecordError, RecordWriter, masked_crc, read_records

FILES = Path(__file__).parents[1] / "data" / "tfrecord"
#: file -> (offset, length, masked checksum of the length, of the content) of its records, from TensorFlow's writer
KNOWN = {
    "train0093": [
        (0, 5912, 2384102031, 2789419430),
        (5928, 23468, 112359535, 1022534296),
        (29412, 1229, 1170032255, 617967880),
        (30657, 14107, 2227258977, 3363914107),
    ],
    "validate0001": [(0, 9422, 1293320817, 683526156), (9438, 19956, 3353137486, 2808205174)],
    "2017_trainAB": [(0, 5918, 3193166933, 3506713472)],
    "video_level_train0093": [(0, 4690, 4117529550, 2795091076), (4706, 4693, 4217591580, 2010085823), (9415, 4687, 1495510791, 368636898)],
}


def written(path: Path, records: list[bytes]) -> Path:
    with RecordWriter(path) as writer:
        for data in records:
            writer.write(data)
    return path


def outcome(path: Path) -> tuple[list[bytes], list[Damage]]:
    damages: list[Damage] = []
    return [record.data for record in read_records(path, damages.append)], damages


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_records_of_tensorflow_are_read_with_their_offsets_and_checksums(name: str) -> None:
    records = list(read_records(FILES / f"{name}.tfrecord"))
    found = [(r.offset, len(r.data), masked_crc(struct.pack("<Q", len(r.data))), masked_crc(r.data)) for r in records]
    assert found == KNOWN[name]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_what_is_written_has_the_bytes_of_tensorflow(name: str, tmp_path: Path) -> None:
    path = FILES / f"{name}.tfrecord"
    assert written(tmp_path / "again", [record.data for record in read_records(path)]).read_bytes() == path.read_bytes()


def test_a_bad_content_is_told_and_the_next_record_is_read() -> None:
    records, damages = outcome(FILES / "damaged_data.tfrecord")
    assert records == [record.data for record in read_records(FILES / "validate0001.tfrecord")][1:]
    assert [(d.kind, d.offset, d.reachable) for d in damages] == [("data_crc", 0, True)]


def test_a_bad_length_ends_the_file() -> None:
    records, damages = outcome(FILES / "damaged_length_crc.tfrecord")
    assert records == []
    assert [(d.kind, d.offset, d.reachable) for d in damages] == [("length_crc", 0, False)]


def test_a_record_cut_short_ends_the_file() -> None:
    records, damages = outcome(FILES / "truncated.tfrecord")
    assert len(records) == 1
    assert [(d.kind, d.offset) for d in damages] == [("truncated", 9438)]
    assert "1000 bytes before its end" in damages[0].what


@pytest.mark.parametrize("name, before", [("damaged_data", 0), ("damaged_length_crc", 0), ("truncated", 1)])
def test_without_leave_to_skip_damage_is_an_error_that_names_file_and_byte(name: str, before: int) -> None:
    reader = read_records(FILES / f"{name}.tfrecord")
    for _ in range(before):
        next(reader)
    with pytest.raises(RecordError, match=rf"{name}\.tfrecord, byte {9438 if before else 0}: ") as caught:
        next(reader)
    assert caught.value.damage.path.name == f"{name}.tfrecord"


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_header_cut_short_is_told(cut: int, tmp_path: Path) -> None:
    path = written(tmp_path / "x", [b"first", b"second"])
    path.write_bytes(path.read_bytes()[: 16 + 5 + cut])
    records, damages = outcome(path)
    assert records == [b"first"]
    assert [(d.kind, d.offset) for d in damages] == [("short_header", 21)]


def test_a_length_with_a_sound_checksum_is_not_believed_beyond_the_file(tmp_path: Path) -> None:
    length = struct.pack("<Q", (1 << 64) - 1)
    (tmp_path / "x").write_bytes(length + struct.pack("<I", masked_crc(length)) + b"abc")
    records, damages = outcome(tmp_path / "x")
    assert (records, [d.kind for d in damages]) == ([], ["truncated"])


def test_an_empty_file_holds_no_record(tmp_path: Path) -> None:
    assert outcome(written(tmp_path / "x", [])) == ([], [])


@pytest.mark.parametrize("start, name", [(b"\x1f\x8b\x08", "gzip"), (b"<html>", "web page"), (b"\x89HDF\r\n", "HDF5")])
def test_a_file_of_another_kind_is_called_by_its_name(start: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(start.ljust(40, b"."))
    with pytest.raises(RecordError, match=f"no TFRecord file but looks like .*{name}"):
        list(read_records(tmp_path / "x"))


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    records = [b"", b"frame", bytes(range(64))]
    whole = written(tmp_path / "x", records).read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "y").write_bytes(flipped)
        found, damages = outcome(tmp_path / "y")
        assert len(damages) == 1, f"bit {bit}"
        assert all(data in records for data in found), f"bit {bit}"


def test_every_cut_is_found_but_those_between_records(tmp_path: Path) -> None:
    whole = written(tmp_path / "x", [b"", b"frame", b"content"]).read_bytes()
    between = {0, 16, 37, 60}
    assert len(whole) == 60
    for size in range(len(whole)):
        (tmp_path / "y").write_bytes(whole[:size])
        assert bool(outcome(tmp_path / "y")[1]) == (size not in between), size


@given(st.lists(st.binary(max_size=200), max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    path = written(tmp_path_factory.mktemp("r") / "x", records)
    assert outcome(path) == (records, [])


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_end_in_records_or_in_one_told_damage(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("r") / "x"
    path.write_bytes(data)
    records, damages = outcome(path)
    assert bool(damages) == bool(data)  # nobody guesses a checksum
    assert records == []
