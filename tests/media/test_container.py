"""What a file is, is told by its bytes: its name decides nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cache.digest import digest_file
from media.container import open_container
from media.outcome import MediaError
from stages.sample import SampleParams
from stages.sample.worker import Job, sample_video
from tests.media.zoo import silence, write

EIGHT = SampleParams(num_clips=1, frames_per_clip=8, codec="png")
#: name -> how it is written
FILES = {
    "a.mp4": {},
    "a.avi": {"codec": "mpeg4"},
    "a.mkv": {},
    "a.ts": {},
    "a.flv": {"codec": "flv"},
    "a.mpg": {"codec": "mpeg2video", "rate": 25},
    "a.m1v": {"codec": "mpeg1video", "rate": 25},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "a.webm": {"codec": "libvpx-vp9"},
}


@pytest.mark.parametrize("name", FILES)
def test_the_row_of_a_file_is_the_same_under_every_name(tmp_path: Path, name: str) -> None:
    first = write(tmp_path / name, **FILES[name])
    row = sample_video(Job(str(first), digest_file(first), EIGHT))
    assert row.payload
    for other in ("b.avi", "b.mp4", "b.txt", "b.png", "b"):
        os.link(first, tmp_path / other)
        assert sample_video(Job(str(tmp_path / other), digest_file(first), EIGHT)) == row


@pytest.mark.parametrize("name", ["a.txt", "a.avi", "a.nfo", "a.jpg"])
def test_text_is_no_video_under_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not a video\n" * 100)
    with pytest.raises(MediaError) as error:
        open_container(tmp_path / name)
    assert error.value.state == "not_media"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    sound, text = silence(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    text.write_text("text")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        open_container(sound).close()
        with pytest.raises(MediaError):
            open_container(text)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
