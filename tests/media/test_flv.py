"""The chain of tags of an FLV file: whole ones are whole, and a head that is broken or a tag that is cut is found wherever it is."""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from media.decode import count_frames
from media.flv import SIZE, damage
from tests.media.conftest import write_video
from tests.media.zoo import write

WHOLE: dict[str, dict[str, Any]] = {
    "h264.flv": {},
    "flv1.flv": {"codec": "flv"},
    "live.flv": {"container": {"flvflags": "no_duration_filesize"}},
    "bare.flv": {"container": {"flvflags": "no_metadata"}},
}


def tags(data: bytes) -> list[int]:
    """Where the tags begin, and the end."""
    places = [13]
    while places[-1] < len(data):
        places.append(places[-1] + 11 + int.from_bytes(data[places[-1] + 1 : places[-1] + 4], "big") + 4)
    return places


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_whole(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, range(60), **WHOLE[name])
    assert damage(path) == "" and count_frames(path).verdict() == ("ok", "")
    assert tags(path.read_bytes())[-1] == path.stat().st_size


def test_a_file_with_sound_is_whole(tmp_path: Path) -> None:
    assert damage(write_video(tmp_path / "a.flv", codec="flv", audio=True)) == ""


def test_a_file_that_tells_its_size_cannot_be_cut_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flv", range(60))
    data = path.read_bytes()
    assert SIZE in data
    for end in {*tags(data)[2:-1], *random.Random(1).sample(range(600, len(data)), 50)}:
        path.write_bytes(data[:end])
        assert damage(path) == f"the last {len(data) - end} bytes of the file are not there"


def test_a_live_file_that_is_cut_within_a_tag_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flv", range(60), **WHOLE["live.flv"])
    data = path.read_bytes()
    places = tags(data)
    for place, following in pairwise(places[3:]):
        for end in (place + 1, place + 10, place + 15, following - 5):
            path.write_bytes(data[:end])
            assert damage(path) == f"the file ends {end - place} bytes into a tag: it may be cut off"
        path.write_bytes(data[:following])
        assert damage(path) == ""  # nobody can know


@pytest.mark.parametrize("value", [b"\xff" * 11, b"\0" * 11, b"\x09\0\0\x06\0\0\0\0\1\0\0"], ids=["ones", "zeros", "a-stream"])
def test_the_head_of_every_tag_counts(tmp_path: Path, value: bytes) -> None:
    path = write(tmp_path / "a.flv", range(60))
    data = path.read_bytes()
    for place in tags(data)[3:-1]:
        path.write_bytes(data[:place] + value + data[place + 11 :])
        assert damage(path) == f"the file is damaged at byte {place}: no tag begins there"


def test_tags_of_unknown_types_and_encrypted_ones_are_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flv", range(60), **WHOLE["live.flv"])
    data = path.read_bytes()
    place = tags(data)[6]
    for kind in (15, 41):
        body = bytes([kind]) + (20).to_bytes(3, "big") + bytes(7) + bytes(20) + (31).to_bytes(4, "big")
        path.write_bytes(data[:place] + body + data[place:])
        assert damage(path) == ""


def test_an_account_of_the_size_that_cannot_be_says_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flv", range(60))
    data = path.read_bytes()
    place = data.index(SIZE) + len(SIZE)
    for number in (0.0, -5.0, float("nan"), float("inf"), 1e300, 100.0):
        path.write_bytes(data[:place] + struct.pack(">d", number) + data[place + 8 :])
        assert damage(path) == ""


def test_what_is_no_flv_file_says_nothing(tmp_path: Path) -> None:
    for content in (b"", b"FLV", b"FLV\1\5\0\0\0\x09", b"x" * 5000):
        (tmp_path / "a.flv").write_bytes(content)
        assert damage(tmp_path / "a.flv") == ""
