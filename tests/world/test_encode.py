"""The writer of media files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.encode import write_video

FRAMES = [np.full((48, 64, 3), 10 * i, np.uint8) for i in range(20)]
TONE = (0.3 * np.sin(np.arange(16000) * 0.05)).astype(np.float32)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.mp4", "h264"), ("a.mkv", "h264")])
def test_the_header_counts_the_frames_that_decode(tmp_path: Path, name: str, codec: str) -> None:
    assert write_video(tmp_path / name, iter(FRAMES), 10, TONE) == 20
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec and (stream.width, stream.height) == (64, 48)
        assert stream.frames in (0, 20)
        frames = list(container.decode(video=0))
    assert [round(f.time * 10) for f in frames] == list(range(20))
    assert abs(int(frames[7].to_ndarray(format="rgb24").mean()) - 70) < 6


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    written = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_video(tmp_path / folder / name, FRAMES, 10, TONE)
        written.append((tmp_path / folder / name).read_bytes())
    assert written[0] == written[1]


def test_audio_only_and_video_only_files(tmp_path: Path) -> None:
    assert write_video(tmp_path / "sound.mp4", None, 10, TONE) == 0
    write_video(tmp_path / "still.mp4", FRAMES, 10)
    with av.open(str(tmp_path / "sound.mp4")) as container:
        assert not container.streams.video and len(container.streams.audio) == 1
    with av.open(str(tmp_path / "still.mp4")) as container:
        assert len(container.streams.video) == 1 and not container.streams.audio


def test_times_of_a_variable_rate_file_are_kept(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 6, 7, 15]
    write_video(tmp_path / "odd.mp4", FRAMES[:6], 10, times=ticks, time_base=Fraction(1, 30))
    with av.open(str(tmp_path / "odd.mp4")) as container:
        assert [round(f.time * 30) for f in container.decode(video=0)] == ticks


def test_stereo_and_other_codecs(tmp_path: Path) -> None:
    write_video(
        tmp_path / "a.avi", FRAMES, 10, np.stack([TONE, -TONE], -1), video_codec="libx264", audio_codec="pcm_s16le", pixel_format="yuv444p"
    )
    with av.open(str(tmp_path / "a.avi")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv444p"
        assert container.streams.audio[0].channels == 2
        sound = np.concatenate([f.to_ndarray().reshape(-1, 2) for f in container.decode(audio=0)])
    assert np.abs(sound[:, 0].astype(int) + sound[:, 1]).max() <= 1 and len(sound) == len(TONE)
