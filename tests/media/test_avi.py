"""AVI stores no times: each picture is shown at the time of a chunk, whatever FFmpeg guesses for its codec, and nothing is missing where a
chunk says "the same picture again".
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import avi, ogg, seeking
from media.decode import Video, count_frames, read_frames
from stages.sample.policies import rate_indices
from tests.media.zoo import COUNT, RATE, number_of, patch, picture, rechunked, write

CODECS: dict[str, dict[str, Any]] = {
    "mjpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg4": {"codec": "mpeg4", "options": {"bf": "0"}},
    "mpeg4, B-frames": {"codec": "mpeg4", "options": {"bf": "2"}},
    "h264": {"options": {"bf": "0"}},
    "h264, B-frames": {"options": {"bf": "2"}},
    "h264, B-frames that others refer to": {"options": {"bf": "3", "b-pyramid": "normal", "g": "250"}},
}
#: A picture that says "as before": predicted, time 1, not coded.
UNCODED = bytes.fromhex("000001b65190")


def held(*empty: int, count: int = COUNT) -> list[int]:
    """The numbers of the chunks that hold the pictures, where those of ``empty`` hold none."""
    return [n for n in range(count + len(empty)) if n not in empty]


def without_bytes(*empty: int) -> Callable[[list[bytes]], list[bytes]]:
    """Chunks without bytes, put in so that they have these numbers."""

    def change(chunks: list[bytes]) -> list[bytes]:
        rest = iter(chunks)
        return [b"" if n in empty else next(rest) for n in range(len(chunks) + len(empty))]

    return change


def packed(chunks: list[bytes]) -> list[bytes]:
    """As DivX and XviD pack B-frames: the first goes into the chunk of the picture that it needs, and the last chunk holds a mark."""
    groups: list[list[bytes]] = []
    for chunk in chunks:
        between = chunk[chunk.index(b"\0\0\1\xb6") + 4] >> 6 == 2
        groups = [*groups[:-1], [*groups[-1], chunk]] if between else [*groups, [chunk]]
    found: list[bytes] = []
    for first, *others in groups:
        found += [first + others[0], *others[1:], UNCODED] if others else [first]
    start = found[0].index(b"\0\0\1\xb6")
    found[0] = found[0][:start] + b"\0\0\1\xb2DivX503b1393p" + found[0][start:]
    return found


def seen(path: Path) -> tuple[list[int], list[Fraction], str]:
    """Numbers, times in chunks and the state of all frames, read in order; the other ways of reading agree."""
    summary, frames = count_frames(path), list(read_frames(path))
    times = [frame.time for frame in frames]
    with Video(path) as video:
        assert [place.time for place in video.places()] == times
    some = {frame.number: frame.time for frame in read_frames(path, {3, len(frames) - 1})}
    assert some == {n: times[n] for n in some} and len(some) == 2
    assert summary.count == len(frames)
    shown = [Fraction(time).limit_denominator(1000) * RATE for time in times]
    return [number_of(frame.image) for frame in frames], shown, summary.verdict()[0]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("empty", [(), (7,), tuple(range(10, 20)), (0, 1, 2), (20, 21), (0, 5, 6, 23)], ids=str)
def test_pictures_have_the_times_of_the_chunks_with_bytes_and_nothing_is_missing(
    tmp_path: Path, codec: str, empty: tuple[int, ...]
) -> None:
    path = rechunked(write(tmp_path / "a.avi", **CODECS[codec]), without_bytes(*empty))
    assert seen(path) == (list(range(COUNT)), held(*empty), "ok")


@settings(max_examples=25, deadline=None)
@given(before=st.lists(st.integers(0, 9), min_size=COUNT + 1, max_size=COUNT + 1), codec=st.sampled_from(sorted(CODECS)))
def test_however_many_chunks_are_empty_the_others_keep_their_times(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], codec: str
) -> None:
    """``before`` each chunk, and at the end, so many hold no bytes."""
    path = write(tmp_path_factory.mktemp("avi") / "a.avi", **CODECS[codec])
    rechunked(path, lambda chunks: [each for n, chunk in zip(before, [*chunks, b""], strict=True) for each in [b""] * n + [chunk]])
    assert seen(path) == (list(range(COUNT)), [n + sum(before[: n + 1]) for n in range(COUNT)], "ok")


@pytest.mark.parametrize("codec", CODECS)
def test_without_an_index_it_is_the_same(tmp_path: Path, codec: str) -> None:
    path = rechunked(write(tmp_path / "a.avi", **CODECS[codec]), without_bytes(0, 4, 5, 23))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"idx1")])
    assert seen(path) == (list(range(COUNT)), held(0, 4, 5, 23), "ok")


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_that_starts_late_by_its_header_is_late(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "a.avi", **CODECS[codec])
    patch(path, b"strh", 8 + 28, (10).to_bytes(4, "little"))
    assert seen(path) == (list(range(COUNT)), list(range(10, 30)), "ok")


@pytest.mark.parametrize("bf", ["1", "2"])
def test_packed_b_frames_are_shown_one_after_the_other(tmp_path: Path, bf: str) -> None:
    path = rechunked(write(tmp_path / "a.avi", codec="mpeg4", options={"bf": bf}), packed)
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0)]
    assert sizes.count(len(UNCODED)) >= 6  # it is packed
    assert seen(path) == (list(range(COUNT)), list(range(COUNT)), "ok")


def uncoded(*which: int) -> Callable[[list[Any]], list[Any]]:
    """Some packets that no other refers to, each the last of its kind in a row, say "as before"."""

    def change(packets: list[Any]) -> list[Any]:
        kinds = [bytes(packet).partition(b"\0\0\1\xb6")[2][0] >> 6 for packet in packets]
        free = [n for n, kind in enumerate(kinds) if kind == (2 if 2 in kinds else 1) and kinds[n + 1 : n + 2] != [kind]]
        for number in (free[n] for n in which):
            packet = av.Packet(UNCODED)
            packet.stream, packet.time_base, packet.duration = packets[0].stream, packets[0].time_base, packets[0].duration
            packet.pts, packet.dts = packets[number].pts, packets[number].dts
            packets[number] = packet
        return packets

    return change


@pytest.mark.parametrize(("codec", "absent"), [("mpeg4", (4, 14)), ("mpeg4, B-frames", (2, 8))])
@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_a_picture_that_says_as_before_is_none_and_not_missed(tmp_path: Path, codec: str, absent: tuple[int, ...], suffix: str) -> None:
    kind = {**CODECS[codec], "options": {**CODECS[codec]["options"], "g": "5"}}
    path = write(tmp_path / f"a{suffix}", change=uncoded(0, 2), **kind)
    there = held(*absent, count=18)
    numbers, times, state = seen(path)
    assert (numbers, state) == (there, "ok")
    assert len(times) == 18 and times[-1] == 19
    if codec == "mpeg4" or suffix != ".avi":
        assert times == there


def test_where_a_stream_ends_with_such_a_picture_the_last_one_is_shown_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", codec="mpeg4", options={"bf": "0", "g": "5"}, change=uncoded(3))
    assert seen(path) == ([*range(19), 18], list(range(20)), "ok")


@pytest.mark.parametrize("codec", CODECS)
def test_a_chunk_that_is_really_gone_is_missed_also_beside_empty_ones(tmp_path: Path, codec: str) -> None:
    path = rechunked(write(tmp_path / "a.avi", **CODECS[codec]), without_bytes(7, 8, 9))
    patch(path, b"strh", 8 + 32, (25).to_bytes(4, "little"))  # 23 are there
    summary = count_frames(path)
    assert summary.verdict() == ("fewer_frames", "the header promises 22 frames, 20 decode")


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4", "h264"])
def test_a_picture_that_does_not_decode_shifts_no_other(tmp_path: Path, codec: str) -> None:
    def change(chunks: list[bytes]) -> list[bytes]:
        return [b"\xff" * 40 if n == 10 else chunk for n, chunk in enumerate(chunks)]

    kind = {**CODECS[codec], "options": {**CODECS[codec].get("options", {}), "g": "5"}}
    numbers, times, state = seen(rechunked(write(tmp_path / "a.avi", **kind), change))
    assert state in ("damaged", "fewer_frames")
    assert times == held(10, count=COUNT - 1) and numbers[:10] == list(range(10)) and numbers[-5:] == list(range(15, 20))


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_that_begins_a_second_after_its_sound_does_so(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "late.avi"
    kind = CODECS[codec]
    with av.open(str(path), "w") as out:
        video, sound = out.add_stream(kind.get("codec", "libx264"), rate=RATE), out.add_stream("pcm_s16le", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, kind.get("pix_fmt", "yuv420p")
        video.codec_context.options = kind.get("options", {})
        video.codec_context.thread_count = 1
        packets = []
        for number in range(COUNT):
            image = av.VideoFrame.from_ndarray(picture(number))
            image.pts, image.time_base = number, Fraction(1, RATE)
            packets += video.encode(image)
        for number in range(30):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
            samples.sample_rate, samples.pts = 16000, number * 1600
            packets += sound.encode(samples)
        for packet in [*packets, *video.encode(None), *sound.encode(None)]:
            out.mux(packet)
    rechunked(path, without_bytes(*range(10)))
    assert seen(path)[1:] == (list(range(10, 30)), "ok")


def test_a_video_of_three_seconds_gives_three_rows(tmp_path: Path) -> None:
    path = rechunked(write(tmp_path / "a.avi", rate=25, numbers=range(50)), without_bytes(*range(20, 45)))
    times = [frame.time for frame in read_frames(path)]
    assert times[-1] == 2.96 and rate_indices(times, 1.0, "next").shape == (1, 3)


@pytest.mark.parametrize("codec", CODECS)
def test_the_header_less_the_empty_chunks_saves_the_second_pass(tmp_path: Path, codec: str) -> None:
    path = rechunked(write(tmp_path / "a.avi", **CODECS[codec]), without_bytes(0, 7, 8, 23))
    with Video(path) as video:
        assert (video.header_count, video.promised) == (24, COUNT)


@pytest.mark.parametrize("codec", CODECS)
def test_seeking_takes_the_same_times(tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever torchcodec would say of such a file, count, times and state are PyAV's."""
    path = rechunked(write(tmp_path / "a.avi", **CODECS[codec]), without_bytes(2, 7, 8, 23))
    unlike = seeking.UnlikeError("another one")
    monkeypatch.setattr(seeking, "_opened", lambda *given: (_ for _ in ()).throw(unlike))
    summary, kept = seeking.read_chosen(path, lambda count, times: range(count), lambda frame: round(frame.time * RATE))
    assert (list(kept.values()), summary.verdict()[0]) == (held(2, 7, 8, 23), "ok")
    if codec in ("mjpeg", "mpeg4", "h264"):
        assert list(seeking._survey(path, 1).times) == [n / RATE for n in held(2, 7, 8, 23)]


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"RIFF\xff\xff\0\0AVI ", b"RIFF\xff\0\0\0AVI LIST\xff\0\0\0movi", b"00dc"]))
def test_any_bytes_are_walked_to_an_end(tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.avi"
    path.write_bytes(head + data)
    assert 0 <= avi.empty_chunks(path, 0) <= (len(head) + len(data)) // 8
    assert avi.cut_off(path) == "" or b"movi" in head + data
    assert "may be cut off" in ogg.damage(path) or b"OggS" in data


@pytest.mark.parametrize("bf", ["0", "2"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_asf_has_the_times_of_its_packets(tmp_path: Path, codec: str, bf: str) -> None:
    frames = list(read_frames(write(tmp_path / "a.asf", codec=codec, options={"bf": bf})))
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert [frame.time for frame in frames] == [number / RATE for number in range(COUNT)]


@pytest.mark.parametrize("bf", ["0", "2"])
@pytest.mark.parametrize(("suffix", "codec"), [(".m1v", "mpeg1video"), (".m2v", "mpeg2video")])
def test_mpeg_alone_is_timed_by_its_rate(tmp_path: Path, suffix: str, codec: str, bf: str) -> None:
    frames = list(read_frames(write(tmp_path / f"a{suffix}", codec=codec, rate=25, options={"bf": bf})))
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert [frame.time for frame in frames] == [number / 25 for number in range(COUNT)]
