"""Decoding: exact numbers and times, upright pictures, and a plain word for everything that is wrong with a file."""

from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from media import container, decode
from media.decode import MediaError, count_frames, probe, read_chosen, read_frames
from tests.media.conftest import number_of, write_video

Write = Callable[..., Path]
FIELD = Path(__file__).parent.parent / "data" / "field"

FORMATS = {
    "mpeg4.avi": {},
    "h264.mp4": {"codec": "libx264", "options": {"bf": "3"}},
    "h264.avi": {"codec": "libx264", "options": {"bf": "2"}},
    "h264.mkv": {"codec": "libx264"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "h264.ts": {"codec": "libx264", "options": {"bf": "2"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": 25},
    "audio.mp4": {"codec": "libx264", "audio": True},
    "grey.mkv": {"codec": "ffv1", "pix_fmt": "gray"},
    "deep.mkv": {"codec": "ffv1", "pix_fmt": "yuv420p10le"},
    "rgb.mkv": {"codec": "ffv1", "pix_fmt": "bgr0"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_frame_comes_once_in_order_with_its_time(video: Write, name: str) -> None:
    path = video(name, 30, **FORMATS[name])
    rate = FORMATS[name].get("rate", 12)
    frames = list(read_frames(path))
    assert [frame.number for frame in frames] == list(range(30))
    assert [number_of(frame.image) for frame in frames] == list(range(30))
    assert np.allclose([frame.time for frame in frames], np.arange(30) / rate, atol=1.1e-3)
    assert frames[0].image.shape == (48, 64, 3) and frames[0].image.dtype == np.uint8
    summary = count_frames(path)
    assert (summary.count, summary.width, summary.height, summary.verdict()) == (30, 64, 48, ("ok", ""))
    assert summary.rate == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(("name", "header"), [("mpeg4.avi", 30), ("h264.mp4", 30), ("h264.mkv", None), ("h264.ts", None)])
def test_the_headers_count_is_kept_apart(video: Write, name: str, header: int | None) -> None:
    assert count_frames(video(name, 30, **FORMATS[name])).header == header


def test_wanted_frames_alone_are_converted(video: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video("a.avi")
    converted: list[int] = []
    real = decode.Video._image
    monkeypatch.setattr(decode.Video, "_image", lambda self, raw: converted.append(self.count - 1) or real(self, raw))
    assert [frame.number for frame in read_frames(path, {3, 17, 99})] == [3, 17]
    assert converted == [3, 17]


def test_colours_are_right_and_full_range(video: Write) -> None:
    frame = next(read_frames(video("a.mkv", 1, codec="ffv1", pix_fmt="yuv444p")))
    assert np.abs(frame.image[10, 10].astype(int) - (255, 0, 0)).max() <= 2
    assert np.abs(frame.image[40, 10].astype(int) - (0, 0, 255)).max() <= 2
    assert np.abs(frame.image[10, 50].astype(int)).max() <= 2


@pytest.mark.parametrize("size", [(50, 38), (66, 50), (2, 2), (34, 130)])
def test_odd_sizes_keep_their_size(video: Write, size: tuple[int, int]) -> None:
    summary = count_frames(video("a.mkv", 3, codec="ffv1", pix_fmt="yuv444p", size=(size[0] + 1, size[1] + 1)))
    assert (summary.width, summary.height) == (size[0] + 1, size[1] + 1)


def test_times_follow_the_stamps_of_a_variable_rate_video(video: Write) -> None:
    stamps = [0, 1, 5, 6, 20, 21, 22, 40]
    path = video("a.mkv", 8, codec="libx264", stamps=stamps, options={"bf": "2"})
    assert np.allclose([frame.time for frame in read_frames(path)], np.array(stamps) / 12, atol=1.1e-3)


def test_threads_do_not_change_the_frames(video: Write) -> None:
    path = video("a.mp4", 30, codec="libx264", size=(160, 128), options={"slices": "4"})
    one, four = list(read_frames(path, threads=1)), list(read_frames(path, threads=4))
    assert all(np.array_equal(a.image, b.image) and a.time == b.time for a, b in zip(one, four, strict=True))


TURNS = {  # a b c d -> where the red, top left in storage, is seen; "tr" = top right
    "upright": ((1, 0, 0, 1), "tl", (64, 48)),
    "clockwise": ((0, 1, -1, 0), "tr", (48, 64)),
    "upside down": ((-1, 0, 0, -1), "br", (64, 48)),
    "counterclockwise": ((0, -1, 1, 0), "bl", (48, 64)),
    "mirrored": ((-1, 0, 0, 1), "tr", (64, 48)),
    "flipped": ((1, 0, 0, -1), "bl", (64, 48)),
    "transposed": ((0, 1, 1, 0), "tl", (48, 64)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_pictures_stand_upright(video: Write, turn: str) -> None:
    (a, b, c, d), corner, size = TURNS[turn]
    path = video("a.mp4", 2, codec="libx264")
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    summary = count_frames(path)
    assert (summary.width, summary.height) == size
    image = next(read_frames(path)).image
    assert image.shape == (size[1], size[0], 3)
    row, column = (4 if corner[0] == "t" else -5), (4 if corner[1] == "l" else -5)
    assert image[row, column, 0] > 200 and image[row, column, 2] < 60


def _state(path: Path) -> str:
    try:
        return count_frames(path).verdict()[0]
    except MediaError as error:
        assert str(path.parent) not in error.reason
        return error.state


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (b"", "empty"),
        (b"x", "not_media"),
        (b"this is not a video\n" * 200, "not_media"),
        (bytes(10_000), "not_media"),
        (b"<!DOCTYPE html><html><body>404</body></html>" * 50, "not_media"),
        (b"ffconcat version 1.0\nfile other.avi\n", "not_media"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nhello\n\n" * 3, "no_video"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, state: str) -> None:
    write_video(tmp_path / "other.avi")
    path = tmp_path / "video.avi"
    path.write_bytes(content)
    assert _state(path) == state


def test_files_that_are_not_there_or_not_readable_are_named(tmp_path: Path) -> None:
    assert _state(tmp_path / "none.avi") == "missing"
    assert _state(tmp_path) == "not_media"


def test_a_playlist_does_not_reach_other_files(tmp_path: Path) -> None:
    other = write_video(tmp_path / "other.ts", codec="libx264")
    for name in ("list.mp4", "list.m3u8"):
        (tmp_path / name).write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n")
        assert _state(tmp_path / name) == "not_media"


def test_audio_alone_is_no_video(sound: Path) -> None:
    assert _state(sound) == "no_video"


@pytest.mark.parametrize("name", ["concat:other.avi|other.avi", "http:", "--help.avi", "a b\n%d'\"; rm -rf .avi", "é日本.avi"])
def test_hostile_names_are_only_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(write_video(tmp_path / "other.avi").read_bytes())
    assert count_frames(path).count == 30


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.avi"))
    path.write_bytes(write_video(tmp_path / "other.avi").read_bytes())
    assert count_frames(path).count == 30


def test_one_frame_is_enough(video: Write) -> None:
    assert count_frames(video("a.avi", 1)).count == 1


@pytest.mark.parametrize(
    ("name", "more", "state"),
    [
        ("a.avi", {}, "damaged"),
        ("a.mp4", {"codec": "libx264", "container": {"movflags": "faststart"}}, "damaged"),
        ("a.mkv", {"codec": "libx264"}, "damaged"),
        ("a.webm", {"codec": "libvpx-vp9"}, "damaged"),
    ],
)
def test_what_a_cut_off_file_still_holds_is_used_and_said(video: Write, name: str, more: dict, state: str) -> None:
    path = video(name, 120, size=(160, 120), **{"options": {"g": "10"}, **more})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    summary = count_frames(path)
    assert summary.verdict()[0] == state
    assert 20 < summary.count < 120
    frames = list(read_frames(path))
    assert [frame.number for frame in frames] == list(range(summary.count))
    assert [number_of(frame.image) % 32 for frame in frames[:20]] == list(range(20))


def test_an_mp4_without_its_index_is_no_media(video: Write) -> None:
    path = video("a.mp4", 120, codec="libx264", size=(160, 120))
    path.write_bytes(path.read_bytes()[:-4000])
    assert _state(path) == "not_media"


def test_packets_that_do_not_decode_are_counted_and_passed_over(video: Write) -> None:
    path = video("a.mp4", 60, codec="libx264", size=(160, 120), options={"g": "10", "bf": "0"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    middle = start + (data.index(b"moov") - start) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    summary = count_frames(path)
    state, reason = summary.verdict()
    assert state == "damaged" and "do not decode" in reason
    assert 30 <= summary.count < 60
    assert len(list(read_frames(path))) == summary.count


def _set_avi_count(path: Path, count: int) -> None:
    data = bytearray(path.read_bytes())
    place = data.index(b"strh") + 8 + 32
    assert struct.unpack("<I", data[place : place + 4]) == (30,)
    data[place : place + 4] = struct.pack("<I", count)
    path.write_bytes(data)


@pytest.mark.parametrize(("header", "state"), [(25, "more_frames"), (45, "fewer_frames")])
def test_a_wrong_header_is_not_believed(video: Write, header: int, state: str) -> None:
    path = video("a.avi")
    _set_avi_count(path, header)
    told: list[int] = []
    summary, kept = read_chosen(path, lambda n, times: told.append(n) or [0, n - 1], lambda frame: number_of(frame.image))
    assert (summary.count, summary.header, summary.verdict()[0]) == (30, header, state)
    assert kept == {0: 0, 29: 29}
    assert told[-1] == 30


@pytest.mark.parametrize(("name", "passes"), [("mpeg4.avi", 1), ("h264.mp4", 1), ("h264.mkv", 2)])
def test_a_right_header_saves_the_second_pass(video: Write, name: str, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video(name, 30, **FORMATS[name])
    opened: list[Path] = []
    real = container.open_container
    monkeypatch.setattr(container, "open_container", lambda p: opened.append(p) or real(p))
    assert read_chosen(path, lambda n, times: [n // 2], lambda frame: number_of(frame.image))[1] == {15: 15}
    assert len(opened) == passes


def test_a_header_that_asks_for_a_giant_picture_is_refused(video: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = video("a.mkv", 2, codec="ffv1", size=(160, 128))
    monkeypatch.setattr(decode, "LARGEST_PICTURE", 100 * 100)
    assert _state(path) == "undecodable"


def test_memory_does_not_grow_with_length(video: Write) -> None:
    path = video("a.avi", 600, size=(128, 96))
    tracemalloc.start()
    assert sum(1 for _ in read_frames(path)) == 600
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 128 * 96 * 3


def test_theora_that_says_the_same_picture_again_is_whole() -> None:
    """FFmpeg's command gives five pictures of it (``-fps_mode passthrough``), at these times, and no error."""
    path = FIELD / "theora_still.ogv"
    summary = count_frames(path)
    assert (summary.count, summary.header, summary.verdict()) == (5, None, ("ok", ""))
    assert [frame.time for frame in read_frames(path)] == [0.0, 0.48, 0.96, 1.44, 1.92]


def test_a_sample_of_no_bytes_in_an_mp4_is_not_missed(video: Write) -> None:
    path = video("a.mov", 20, codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    last = data.index(b"stsz") + 16 + 4 * 19
    data[last : last + 4] = bytes(4)
    path.write_bytes(data)
    summary = count_frames(path)
    assert (summary.count, summary.header, summary.hidden, summary.verdict()) == (19, 20, 1, ("ok", ""))


def test_probe_reads_one_frame(video: Write) -> None:
    summary = probe(video("a.avi"))
    assert (summary.count, summary.header, summary.width, summary.codec) == (1, 30, 64, "mpeg4")
