"""The same frames as other programs see: OpenCV, and the ffmpeg command where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from media.decode import read_frames
from tests.media.films import FILMS, film
from tests.media.zoo import number_of, turned, write

CLEAN: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"bf": "2"}},
    "h264.mkv": {},
    "h264.ts": {"options": {"bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": Fraction(25)},
    "deep.mkv": {"codec": "ffv1", "pix_fmt": "yuv420p10le"},
    "odd.mkv": {"codec": "ffv1", "size": (51, 37)},
    "full.mp4": {"pix_fmt": "yuvj420p"},
    "444.mkv": {"codec": "ffv1", "pix_fmt": "yuv444p"},
    "hidden.mp4": {"stamps": range(-5, 15), "container": {"avoid_negative_ts": "disabled"}},
    "clockwise.mp4": {},
}


def made(path: Path) -> Path:
    if path.name == "clockwise.mp4":
        turned(path, (0, 1, -1, 0), lambda image: np.rot90(image, 1))
        return path
    return write(path, **CLEAN[path.name])


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
@pytest.mark.parametrize("name", CLEAN)
def test_the_ffmpeg_command_gives_the_same_frames(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    ours = np.stack([frame.image for frame in read_frames(path)])
    flags = ["-vsync", "passthrough", "-sws_flags", "bicubic+accurate_rnd+full_chroma_int+bitexact"]
    command = ["ffmpeg", "-v", "error", "-i", str(path), *flags, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    theirs = np.frombuffer(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout, np.uint8)
    assert theirs.size == ours.size  # the number of frames
    differences = np.abs(theirs.reshape(ours.shape).astype(int) - ours)
    assert differences.max() <= 2  # its swscale may be of another version


def by_opencv(path: Path) -> Iterator[np.ndarray]:
    """Frames as OpenCV reads them, RGB."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while True:
        there, image = capture.read()
        if not there:
            return
        yield image[..., ::-1]


@pytest.mark.parametrize("name", CLEAN)
def test_opencv_gives_the_same_frames(tmp_path: Path, name: str) -> None:
    path = made(tmp_path / name)
    ours = [frame.image for frame in read_frames(path)]
    theirs = list(by_opencv(path))
    assert [number_of(image) for image in theirs] == [number_of(image) for image in ours]
    assert all(a.shape == b.shape for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", FILMS)
def test_opencv_gives_the_same_frames_of_a_real_film(name: str) -> None:
    count, width, height = FILMS[name]
    ours = [frame.image[::4, ::4].astype(np.int16) for frame in read_frames(film(name))]
    theirs = [image[::4, ::4].astype(np.int16) for image in by_opencv(film(name))]
    assert len(ours) == len(theirs) == count and ours[0].shape == theirs[0].shape == (-(-height // 4), -(-width // 4), 3)
    for number, image in enumerate(theirs):
        near = range(max(0, number - 2), min(count, number + 3))
        differences = {other: float(np.abs(image - ours[other]).mean()) for other in near}
        assert differences[number] == min(differences.values()) < 3  # no frame earlier or later is more like it
