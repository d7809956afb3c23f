"""The chain of packets of a program stream: whole ones are whole whoever wrote them, and a broken or cut packet is found."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from media import program
from media.decode import count_frames
from media.program import damage
from tests.media.zoo import write

MPEG2: dict[str, Any] = {"codec": "mpeg2video", "rate": 25}
WHOLE: dict[str, dict[str, Any]] = {
    "mpeg1.mpg": {"codec": "mpeg1video", "rate": 25},
    "mpeg2.mpg": MPEG2,
    "vob.vob": {**MPEG2, "format": "vob"},
    "dvd.mpg": {**MPEG2, "format": "dvd"},
    "svcd.mpg": {**MPEG2, "format": "svcd"},
    "vcd.mpg": {"codec": "mpeg1video", "rate": 25, "format": "vcd"},
    "h264.vob": {"format": "vob"},
}


def packets(data: bytes) -> list[int]:
    """Where the packets begin, and the end."""
    places, at = [], 0
    while at < len(data):
        places.append(at)
        at += program._length(data[at : at + 14])
    return [*places, len(data)]


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_whole(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, range(60), **WHOLE[name])
    assert damage(path) == "" and count_frames(path).verdict() == ("ok", "")
    data = path.read_bytes()
    for content in (data + data, data + bytes(100_000), data + bytes(70_000) + data, data + b"\0\0\1\xb9", data + b"\0"):
        path.write_bytes(content)
        assert damage(path) == ""


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
@pytest.mark.parametrize("target", ["dvd", "svcd", "vcd"])
def test_a_disc_with_sound_is_whole(tmp_path: Path, target: str) -> None:
    source = ["-f", "lavfi", "-i", "testsrc=duration=2", "-f", "lavfi", "-i", "sine=duration=2"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-target", f"pal-{target}", str(tmp_path / "a.mpg")], check=True, timeout=60)
    assert damage(tmp_path / "a.mpg") == ""


@pytest.mark.parametrize("name", ["mpeg1.mpg", "mpeg2.mpg"])
def test_a_file_that_is_cut_within_a_packet_is_cut(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, range(250), **WHOLE[name])
    data = path.read_bytes()
    places = packets(data)
    assert len(places) > 8
    for place, following in pairwise(places[2:]):
        for end in {place + 5, following - 1}:
            path.write_bytes(data[:end])
            assert damage(path).startswith(f"the file ends {end - place} bytes into a packet of ")
        for end in (place + 2, place + 3):
            path.write_bytes(data[:end])
            assert damage(path) == ("" if end == place + 2 else f"the file is damaged at byte {place}: it may be cut off")
        path.write_bytes(data[:following])
        assert damage(path) == ""  # nobody can know


@pytest.mark.parametrize("name", ["mpeg1.mpg", "mpeg2.mpg", "vcd.mpg"])
def test_the_head_of_every_packet_counts(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, range(60), **WHOLE[name])
    data = path.read_bytes()
    for place in packets(data)[1:-1]:
        for wrong in (b"\xff" * 4, b"\0\0\1\x05", b"\0\0\0\0" if data[place + 3] == 0xBA else b"\0\0\2\xe0"):
            path.write_bytes(data[:place] + wrong + data[place + 4 :])
            assert damage(path) == f"the file is damaged at byte {place}: no packet begins there"


def test_long_zeros_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "BLOCK", 7)
    data = write(tmp_path / "a.mpg", range(60), **MPEG2).read_bytes()
    for zeros in range(20):
        (tmp_path / "a.mpg").write_bytes(data + bytes(zeros) + data)
        assert damage(tmp_path / "a.mpg") == ""
        (tmp_path / "a.mpg").write_bytes(data + bytes(zeros) + b"x" + data)
        assert damage(tmp_path / "a.mpg") == f"the file is damaged at byte {len(data)}: no packet begins there"


def test_what_is_no_program_stream_says_nothing(tmp_path: Path) -> None:
    for content in (b"", b"\0\0\1", b"\0\0\1\xb3" + b"x" * 5000, b"x" * 5000):
        (tmp_path / "a.mpg").write_bytes(content)
        assert damage(tmp_path / "a.mpg") == ""
