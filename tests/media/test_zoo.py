"""Every animal of the zoo ends in the state that docs/DECODE.md says, and every frame is the one that its number says."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from cache.digest import digest_file
from cache.ledger import STATES
from media.decode import MediaError, count_frames, read_frames
from media.frames import decode_payload
from media.workers import Done, run_killable
from stages.sample import SampleParams
from stages.sample.policies import is_padded
from stages.sample.worker import Job, sample_video
from tests.media.zoo import (
    Animal,
    cover_first,
    cut,
    dropped_avi,
    emptied,
    flipped,
    from_second_key,
    gapped_avi,
    headless,
    joined,
    number_of,
    patch,
    picture,
    silence,
    stamped,
    turned,
    two_streams,
    write,
)

SECONDS = 30.0
EIGHT = SampleParams(num_clips=1, frames_per_clip=8, codec="png")
HUNDRED = range(100)
MPEG2 = {"codec": "mpeg2video", "rate": 25}
JPEG = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}
OPEN = {"options": {"bf": "2", "g": "10", "x264-params": "open-gop=1:scenecut=0"}}
STAMPS = [0, 1, 5, 6, 20, 21, 22, 40]


def wrong_count(path: Path, count: int) -> None:
    write(path, codec="mpeg4")
    patch(path, b"strh", 8 + 32, struct.pack("<I", count))


def still(path: Path, codec: str, pix_fmt: str) -> None:
    picture = write(path.with_name(f"still.{codec[-3:]}"), [0], codec=codec, pix_fmt=pix_fmt, format="image2", container={"update": "1"})
    picture.rename(path)


def patched(path: Path, mark: bytes, offset: int, value: bytes, *, last: bool = False, **more: object) -> None:
    write(path, **more)  # type: ignore[arg-type]
    patch(path, mark, offset, value, last=last)


def between_packets(path: Path) -> None:
    cut(path, 0.6, numbers=HUNDRED)
    os.truncate(path, path.stat().st_size // 188 * 188)


def between_tags(path: Path) -> None:
    write(path, HUNDRED)
    data = path.read_bytes()
    place = 13
    while place < 0.6 * len(data):
        place += 11 + int.from_bytes(data[place + 1 : place + 4], "big") + 4
    os.truncate(path, place)


def between_packs(path: Path) -> None:
    cut(path, 0.7, numbers=HUNDRED, **MPEG2)
    os.truncate(path, path.stat().st_size // 2048 * 2048)


def broken_tag(path: Path) -> None:
    write(path, HUNDRED, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    place = 13
    while place < 0.6 * len(data):
        place += 11 + int.from_bytes(data[place + 1 : place + 4], "big") + 4
    data[place : place + 11] = b"\xff" * 11
    path.write_bytes(data)


def broken_pack(path: Path) -> None:
    write(path, HUNDRED, **MPEG2)
    data = bytearray(path.read_bytes())
    place = data.index(b"\0\0\1\xba", len(data) // 2)
    data[place : place + 14] = b"\xff" * 14
    path.write_bytes(data)


def unknown_codec(path: Path) -> None:
    patched(path, b"strf", 24, b"QQQQ", codec="mpeg4")
    patch(path, b"vids", 4, b"QQQQ")


LOST = {"numbers": ()}
ZOO = {
    # cut off
    "noindex.mp4": Animal("cut off before its index", partial(cut, share=0.5), "not_media", **LOST),
    "cut.mp4": Animal(
        "cut off, index in front",
        partial(cut, share=0.7, numbers=HUNDRED, container={"movflags": "faststart"}),
        "damaged",
        HUNDRED,
        sure=40,
    ),
    "cut.mkv": Animal("cut off", partial(cut, share=0.6, numbers=HUNDRED), "damaged", HUNDRED, sure=40, says="not there"),
    "cut.webm": Animal(
        "cut off", partial(cut, share=0.6, numbers=HUNDRED, codec="libvpx-vp9"), "damaged", HUNDRED, sure=40, says="not there"
    ),
    "cut.avi": Animal("cut off", partial(cut, share=0.6, numbers=HUNDRED, codec="mpeg4"), "damaged", HUNDRED, sure=40, says="promises 100"),
    "noindex.avi": Animal(
        "the index at the end is cut off", partial(cut, share=0.97, numbers=HUNDRED, codec="mpeg4"), numbers=HUNDRED, times=(0, 9.9)
    ),
    "cut.ts": Animal("cut off", partial(cut, share=0.6, numbers=HUNDRED), "damaged", HUNDRED, sure=50, says="into a packet of 188"),
    "between.ts": Animal("cut off between two packets: nobody can know", between_packets, "ok", HUNDRED, sure=50),
    "cut.flv": Animal("cut off within a packet", partial(cut, share=0.6, numbers=HUNDRED, codec="flv"), "damaged", HUNDRED, sure=40),
    "between.flv": Animal(
        "cut off between two tags: its size is not what it says", between_tags, "damaged", HUNDRED, sure=40, says="not there"
    ),
    "cut.mpg": Animal("cut off", partial(cut, share=0.6, numbers=HUNDRED, **MPEG2), "damaged", HUNDRED, sure=20, says="into a packet"),
    "between.mpg": Animal("cut off between two packs, within a picture", between_packs, "damaged", HUNDRED, sure=20, says="corrupt"),
    # no video
    "empty.mp4": Animal("no bytes", lambda path: path.write_bytes(b""), "empty", **LOST),
    "text.avi": Animal("text", lambda path: path.write_text("404 not found\n" * 99), "not_media", **LOST),
    "png.mp4": Animal("a picture", partial(still, codec="png", pix_fmt="rgb24"), "not_media", says="still picture (png)", **LOST),
    "jpeg.avi": Animal("a picture", partial(still, codec="mjpeg", pix_fmt="yuvj420p"), "not_media", says="still picture (jpeg)", **LOST),
    "sound.mp4": Animal("sound only", silence, "no_video", says="audio", **LOST),
    "cover.mp3": Animal("sound and cover art", partial(silence, cover=True), "no_video", says="cover art", **LOST),
    "fourcc.avi": Animal("unknown codec", unknown_codec, "undecodable", says="no decoder", **LOST),
    "fourcc.mkv": Animal(
        "unknown codec", partial(patched, mark=b"V_MPEG4/ISO", offset=2, value=b"QQQQQ"), "undecodable", says="no decoder", **LOST
    ),
    "giant.avi": Animal(
        "60000 x 60000 by its header",
        partial(patched, mark=b"strf", offset=12, value=struct.pack("<ii", 60000, 60000), codec="rawvideo", pix_fmt="bgr24"),
        "undecodable",
        **LOST,
    ),
    # several streams
    "two.mp4": Animal("two video streams, neither or the first marked as the default: the first counts", two_streams),
    "two.mkv": Animal("two video streams, neither or the first marked as the default: the first counts", two_streams),
    "cover.mp4": Animal("a cover that is not marked as one, then the default stream", cover_first),
    # upright
    "clockwise.mp4": Animal("turned by its matrix", partial(turned, matrix=(0, 1, -1, 0), turn=lambda image: np.rot90(image, 1))),
    "around.mp4": Animal("turned by its matrix", partial(turned, matrix=(-1, 0, 0, -1), turn=lambda image: np.rot90(image, 2))),
    "counter.mp4": Animal("turned by its matrix", partial(turned, matrix=(0, -1, 1, 0), turn=lambda image: np.rot90(image, -1))),
    "mirrored.mp4": Animal("mirrored by its matrix", partial(turned, matrix=(-1, 0, 0, 1), turn=lambda image: image[:, ::-1])),
    # time
    "variable.mkv": Animal(
        "variable rate, B-frames", partial(write, numbers=range(8), stamps=STAMPS, options={"bf": "2"}), "ok", range(8), (0, 4)
    ),
    "variable.mp4": Animal(
        "variable rate, B-frames", partial(write, numbers=range(8), stamps=STAMPS, options={"bf": "2"}), "ok", range(8), (0, 4)
    ),
    "late.mp4": Animal("its clock begins at 5 s", partial(write, stamps=range(50, 70), options={"bf": "2"})),
    "late.mkv": Animal("its clock begins at 5 s", partial(write, stamps=range(50, 70), options={"bf": "2"})),
    "negative.ts": Animal("its clock begins below zero", partial(write, stamps=range(-5, 15), options={"bf": "2"})),
    "negative.mkv": Animal(
        "stamps below zero, which the container cannot hold",
        partial(write, stamps=range(-5, 15), options={"bf": "0"}, container={"avoid_negative_ts": "disabled"}),
        times=(0, 1.4),
    ),
    "hidden.mp4": Animal(
        "an edit list hides five frames",
        partial(write, stamps=range(-5, 15), options={"bf": "2"}, container={"avoid_negative_ts": "disabled"}),
        numbers=range(5, 20),
        times=(0, 1.4),
    ),
    "slow.mkv": Animal("one frame in ten seconds", partial(write, numbers=range(5), rate=Fraction(1, 10)), "padded", range(5), (0, 40)),
    "twins.mkv": Animal(
        "each stamp twice", partial(write, rate=1000, change=stamped([100 * (n // 2) for n in range(20)]), **JPEG), times=(0, 0.9)
    ),
    "zero.mp4": Animal(
        "frames that last no time", partial(patched, mark=b"stts", offset=12, value=bytes(4), options={"bf": "0"}), times=(0, 0)
    ),
    "joined.ts": Animal("the clock starts again: time stands still", joined, "damaged", times=(0, 0.9)),
    # order
    "late264.avi": Animal("no B-frames, which FFmpeg stamps one frame late", partial(write, options={"bf": "0"})),
    "b.mp4": Animal("B-frames", partial(write, options={"bf": "3"})),
    "b.avi": Animal("B-frames in a container of coding order", partial(write, options={"bf": "2"})),
    "b4.avi": Animal("B-frames in a container of coding order", partial(write, codec="mpeg4", options={"bf": "2"})),
    "b.mpg": Animal("B-frames", partial(write, codec="mpeg2video", rate=25, options={"bf": "2"}), times=(0, 19 / 25)),
    # where a stream begins
    "second.mkv": Animal(
        "copied from a key frame on", partial(write, change=from_second_key, **OPEN), numbers=range(10, 20), times=(0, 0.9)
    ),
    "second.mp4": Animal(
        "copied from a key frame on", partial(write, change=from_second_key, **OPEN), numbers=range(10, 20), times=(0, 0.9)
    ),
    "leading.mkv": Animal(
        "copied from an open group: two leading B-frames cannot be made",
        partial(write, codec="mpeg2video", rate=25, options={"bf": "2", "g": "10"}, change=from_second_key),
        numbers=range(12, 20),
        times=(0, 7 / 25),
    ),
    "headless.mkv": Animal(
        "copied from between key frames", partial(write, change=headless, **OPEN), "damaged", range(10, 20), (0.8, 1.7), says="key frame"
    ),
    "headless.ts": Animal(
        "copied from between key frames", partial(write, change=headless, **OPEN), "damaged", range(10, 20), (0.8, 1.7), says="key frame"
    ),
    "headless.mp4": Animal(
        "copied from between key frames", partial(write, change=headless, **OPEN), "damaged", range(10, 20), (0.8, 1.7), says="key frame"
    ),
    "headless.webm": Animal(
        "no key frame", partial(write, codec="libvpx-vp9", change=headless), "damaged", range(5, 20), (0.2, 1.6), says="key frame"
    ),
    "grey.avi": Animal(
        "no key frame: grey pictures",
        partial(write, codec="mpeg4", options={"g": "100"}, change=headless),
        "damaged",
        sure=0,
        says="key frame",
    ),
    # pixels
    "deep.mkv": Animal("10 bits", partial(write, codec="ffv1", pix_fmt="yuv420p10le")),
    "deep.mp4": Animal("10 bits", partial(write, pix_fmt="yuv420p10le")),
    "grey.mkv": Animal("grey", partial(write, codec="ffv1", pix_fmt="gray")),
    "alpha.webm": Animal("alpha", partial(write, codec="libvpx-vp9", pix_fmt="yuva420p")),
    "alpha.mov": Animal("alpha", partial(write, codec="png", pix_fmt="rgba")),
    "odd.mkv": Animal("odd size", partial(write, codec="ffv1", size=(51, 37)), size=(51, 37)),
    "odd.avi": Animal("odd size", partial(write, codec="mpeg4", size=(51, 37)), size=(51, 37)),
    "raw.avi": Animal("raw pixels", partial(write, codec="rawvideo", pix_fmt="bgr24")),
    "raw.mov": Animal("raw pixels", partial(write, codec="rawvideo", pix_fmt="rgb24")),
    "full.mp4": Animal("full range", partial(write, pix_fmt="yuvj420p")),
    "jpeg.mkv": Animal("full range", partial(write, **JPEG)),
    "wide.mp4": Animal(
        "pixels twice as wide as high: as stored", partial(write, prepare=lambda s: setattr(s, "sample_aspect_ratio", Fraction(2)))
    ),
    "fields.ts": Animal(
        "interlaced: both fields in a frame", partial(write, codec="mpeg2video", rate=25, options={"flags": "+ildct+ilme"}), times=(0, 0.76)
    ),
    "animated.mp4": Animal("a GIF under another name", partial(write, codec="gif", pix_fmt="rgb8", format="gif")),
    # counts
    "one.mp4": Animal("one frame", partial(write, numbers=[7]), "padded", [7], (0, 0)),
    "one.avi": Animal("one frame", partial(write, numbers=[7], codec="mpeg4"), "padded", [7], (0, 0)),
    "more.avi": Animal("more frames than its header says", partial(wrong_count, count=12), "more_frames"),
    "fewer.avi": Animal("fewer frames than its header says", partial(wrong_count, count=90), "fewer_frames"),
    "dropped.avi": Animal("packets without bytes: the same picture again", dropped_avi, numbers=[n for n in range(20) if n not in (7, 12)]),
    "empty.nut": Animal(
        "packets without bytes: the same picture again",
        partial(write, change=emptied, **JPEG),
        numbers=[n for n in range(20) if n not in (7, 12)],
    ),
    "gap.avi": Animal("ten empty chunks", partial(gapped_avi, **JPEG), times=(0, 2.9)),
    "gap4.avi": Animal("ten empty chunks", partial(gapped_avi, codec="mpeg4"), times=(0, 2.9)),
    "gap264.avi": Animal("ten empty chunks, FFmpeg's stamps late", partial(gapped_avi, options={"bf": "0"}), times=(0, 2.9)),
    "gapb.avi": Animal("ten empty chunks, B-frames", partial(gapped_avi, options={"bf": "2"}), times=(0, 2.9)),
    # damaged packets
    "flipped.avi": Animal("bytes inverted", partial(flipped, codec="mpeg4", share=0.8), "damaged", sure=3),
    "flipped.mkv": Animal("bytes inverted", partial(flipped, share=0.8), "damaged", sure=5),
    "flipped.webm": Animal("bytes inverted", partial(flipped, codec="libvpx-vp9"), "damaged", sure=3, says="damaged at byte"),
    "flipped.ffv1.mkv": Animal("bytes inverted", partial(flipped, codec="ffv1"), "damaged", sure=5),
    "broken.flv": Animal("the head of a tag is lost", broken_tag, "damaged", HUNDRED, sure=40, says="no tag begins there"),
    "broken.mpg": Animal("the head of a pack is lost", broken_pack, "damaged", HUNDRED, sure=20, says="no packet begins there"),
}


@pytest.fixture(scope="module")
def cage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("zoo")
    for name, animal in ZOO.items():
        animal.make(root / name)
    return root


@pytest.fixture(scope="module")
def sampled(cage: Path) -> dict[str, Done]:
    """Each file through the stage's own job in the stage's own workers, eight frames of it."""
    jobs = [(name, Job(str(cage / name), digest_file(cage / name), EIGHT)) for name in ZOO]
    return {str(done.key): done for done in run_killable(sample_video, jobs, workers=2, timeout=SECONDS)}


def expected(animal: Animal, numbers: list[int]) -> list[int]:
    """The drawn numbers of ``numbers``, as far as they are sure."""
    return [animal.numbers[n] for n in numbers if animal.sure is None or n < animal.sure]


@pytest.mark.parametrize("name", ZOO)
def test_the_stage_ends_in_the_documented_state_with_the_right_frames(sampled: dict[str, Done], name: str) -> None:
    animal, done = ZOO[name], sampled[name]
    assert done.state == "done", done.reason
    meta, payload = done.value.meta, done.value.payload
    assert (meta["state"], STATES[meta["state"]] == "lost") == (animal.state, not payload), meta["reason"]
    assert animal.says in meta["reason"]
    assert (meta["reason"] == "") == (animal.state == "ok")
    if payload:
        frames = decode_payload(payload)
        numbers = [int(n) for n in frames.numbers if animal.sure is None or n < animal.sure]
        assert [number_of(frames.images(n)) for n in numbers] == expected(animal, numbers)
        assert is_padded(frames.index) == (animal.state == "padded" or meta["count"] < 8)


@pytest.mark.parametrize("name", ZOO)
def test_every_frame_is_the_one_that_its_number_says_at_its_time(cage: Path, name: str) -> None:
    animal = ZOO[name]
    if STATES[animal.state] == "lost":
        with pytest.raises(MediaError) as error:
            count_frames(cage / name)
        assert error.value.state == animal.state
        return
    summary, frames = count_frames(cage / name), list(read_frames(cage / name))
    assert [frame.number for frame in frames] == list(range(summary.count))
    assert summary.verdict()[0] == (animal.state if animal.state != "padded" else "ok")
    assert (summary.width, summary.height) == animal.size == frames[0].image.shape[1::-1]
    times = [frame.time for frame in frames]
    assert times == sorted(times)
    sure = frames if animal.sure is None else frames[: animal.sure]
    assert [number_of(frame.image) for frame in sure] == expected(animal, [frame.number for frame in sure])
    if animal.sure is None:
        assert len(frames) == len(animal.numbers)
        assert (times[0], times[-1]) == pytest.approx(animal.times, abs=1.1e-3)
    else:
        assert animal.sure <= len(frames) <= len(animal.numbers)


@pytest.mark.parametrize("name", ["full.mp4", "jpeg.mkv", "raw.mov", "b.mp4", "deep.mkv"])
def test_black_is_black_and_white_is_white_whatever_the_range(cage: Path, name: str) -> None:
    image = next(read_frames(cage / name, {5})).image
    inner = [4 + 8 * bit for bit in range(8)]
    assert np.abs(image[12:20, inner].astype(int) - picture(5)[12:20, inner]).max() <= 6


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3)])
def test_the_smallest_pictures_are_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write(tmp_path / "small.mkv", [0], codec="ffv1", pix_fmt="yuv444p", size=size)
    assert next(read_frames(path)).image.shape == (size[1], size[0], 3)


def test_a_file_that_hangs_is_ended_and_the_others_are_done(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hangs.mp4")
    good = write(tmp_path / "good.mp4")
    jobs = [(name, Job(str(tmp_path / name), digest_file(good), EIGHT)) for name in ("hangs.mp4", "good.mp4")]
    states = {done.key: done.state for done in run_killable(sample_video, jobs, workers=2, timeout=3.0)}
    assert states == {"hangs.mp4": "timed_out", "good.mp4": "done"}


def test_a_video_that_begins_after_its_sound_begins_late(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "late.mkv"), "w") as out:
        video, sound = out.add_stream("libx264", rate=10), out.add_stream("aac", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        packets = []
        for number in range(40):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, number * 1024
            packets += sound.encode(frame)
        for number in range(5):
            image = av.VideoFrame.from_ndarray(picture(number))
            image.pts, image.time_base = number + 10, Fraction(1, 10)
            packets += video.encode(image)
        for packet in [*packets, *sound.encode(None), *video.encode(None)]:
            out.mux(packet)
    assert [frame.time for frame in read_frames(tmp_path / "late.mkv")] == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4])


def test_colour_under_alpha_is_as_stored(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as out:
        stream = out.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        image = np.full((48, 64, 4), (200, 100, 0, 50), np.uint8)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba")))
        out.mux(stream.encode(None))
    assert np.array_equal(next(read_frames(tmp_path / "a.mov")).image, image[..., :3])


def test_a_change_of_size_keeps_each_frame_as_it_is(tmp_path: Path) -> None:
    parts = [
        write(tmp_path / f"{width}.ts", numbers, codec="mpeg2video", rate=25, size=(width, 48)).read_bytes()
        for width, numbers in ((64, range(5)), (96, range(10, 15)))
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    found = [(frame.image.shape[1], number_of(frame.image)) for frame in read_frames(tmp_path / "both.ts")]
    assert found[:4] == [(64, n) for n in range(4)] and found[-5:] == [(96, n) for n in range(10, 15)]
    assert count_frames(tmp_path / "both.ts").width == 64
