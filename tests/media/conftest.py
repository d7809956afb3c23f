"""Odd media files, written with PyAV and then broken by hand."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A frame that tells its number (grey of the right half) and which way is up (red top left, blue bottom left)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    image[:, width // 2 :] = 8 * number % 256
    return image


def number_of(image: np.ndarray) -> int:
    """The number that :func:`picture` drew."""
    width = image.shape[1]
    return round(float(image[:, width // 2 + 4 :].mean()) / 8)


def write_video(
    path: Path,
    count: int = 30,
    *,
    codec: str = "mpeg4",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    rate: int = 12,
    **more: Any,
) -> Path:
    """Write ``count`` pictures. ``stamps``: presentation stamps in 1/rate s; ``options``: of the codec; ``container``: of the muxer."""
    with av.open(str(path), "w", format=more.get("format"), options=more.get("container", {})) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.options = more.get("options", {})
        if more.get("audio"):
            sound = out.add_stream("aac", rate=16000)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, *size))
            frame.pts = more["stamps"][number] if "stamps" in more else number
            frame.time_base = Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if more.get("audio"):
            out.mux(sound.encode(_silence()))
            out.mux(sound.encode())
    return path


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 16000
    return frame


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Path]:
    """``video("a.mp4", 30, codec=...)`` writes a file and returns its path."""
    return lambda name, count=30, **more: write_video(tmp_path / name, count, **more)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A file with an audio stream only."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        out.mux(stream.encode(_silence()))
        out.mux(stream.encode())
    return path
