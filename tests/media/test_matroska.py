"""The structure of a Matroska file: whole ones are whole whoever wrote them, and every broken head of a block is found."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from media.matroska import damage, missing_bytes
from tests.media.zoo import patch, write

WHOLE: dict[str, dict[str, Any]] = {
    "h264.mkv": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "ffv1.mkv": {"codec": "ffv1"},
    "live.mkv": {"container": {"live": "1"}},
    "live.webm": {"codec": "libvpx-vp9", "container": {"live": "1"}},
    "front.mkv": {"container": {"cues_to_front": "1", "reserve_index_space": "2000"}},
    "clusters.mkv": {"container": {"cluster_size_limit": "300"}},
    "checked.mkv": {"container": {"write_crc32": "1"}},
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_whole(tmp_path: Path, name: str) -> None:
    assert damage(write(tmp_path / name, range(60), **WHOLE[name])) == ""


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
def test_a_file_from_a_pipe_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-f", "matroska", "-"], check=True, capture_output=True)
    (tmp_path / "pipe.mkv").write_bytes(done.stdout)
    assert damage(tmp_path / "pipe.mkv") == ""


@pytest.mark.parametrize("name", ["h264.mkv", "live.mkv", "clusters.mkv"])
def test_the_head_of_every_block_counts(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, range(60), **{**WHOLE[name], "options": {"bf": "0"}})
    whole = path.read_bytes()
    heads = [found.start() for found in re.finditer(rb"\xa3(?:[\x81-\xfe]|[\x40-\x7f].)\x81", whole, re.DOTALL)]
    heads = [place for place in heads if place > whole.index(b"\x1f\x43\xb6\x75")]
    assert len(heads) > 30
    for place in random.Random(3).sample(heads, 20):
        path.write_bytes(whole[:place] + b"\xfd" + whole[place + 1 :])
        assert damage(path) == f"the file is damaged at byte {place}, and what follows may be missing"


def test_a_cut_file_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[:-100])
    assert missing_bytes(path) == 100 and "the last 100 bytes" in damage(path)


def test_lengths_that_lead_nowhere_end_the_walk(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv")
    patch(path, b"\x1c\x53\xbb\x6b", 4, b"\xff", last=True)
    assert "damaged at byte" in damage(path)
    for content in (b"", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x85\x1f\x43\xb6\x75\xff"):
        path.write_bytes(content)
        assert damage(path) == ""


@pytest.mark.parametrize(("back", "value"), [(1, b"\x4f"), (4, b"\x67")])
def test_flags_or_a_track_of_a_block_that_cannot_be_are_damage(tmp_path: Path, back: int, value: bytes) -> None:
    path = write(tmp_path / "a.mkv", options={"bf": "0"})
    whole = path.read_bytes()
    last = list(re.finditer(rb"\xa3(?:[\x81-\xfe]|[\x40-\x7f].)\x81..[\x00\x80]", whole, re.DOTALL))[-1]
    path.write_bytes(whole[: last.end() - back] + value + whole[last.end() - back + 1 :])
    assert damage(path).startswith(f"the file is damaged at byte {last.start()},")
