"""Which stream is the film, and what is a picture and no film."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import av
import pytest
from av.stream import Disposition
from PIL import Image

from cache.digest import digest_file
from media.decode import MediaError, Video, count_frames, read_frames
from media.examine import Look, examine
from media.film import film
from stages.sample import SampleParams
from stages.sample.worker import Job, sample_video
from tests.media.zoo import COUNT, RATE, number_of, picture, write

FIELD = Path(__file__).parent.parent / "data" / "field"


def streams(path: Path, *kinds: dict[str, Any]) -> Path:
    """One video stream each, with ``count`` pictures that begin with ``first``, of a ``size``, ``disposition`` and ``codec``."""
    with av.open(str(path), "w", options={"default_mode": "passthrough"} if path.suffix == ".mkv" else {}) as out:
        made = []
        for kind in kinds:
            stream = out.add_stream(kind.get("codec", "libx264"), rate=RATE)
            stream.width, stream.height = kind.get("size", (64, 48))
            stream.pix_fmt = "yuvj420p" if kind.get("codec") == "mjpeg" else "yuv420p"
            stream.disposition = kind.get("disposition", Disposition(0))
            made.append(stream)
        packets = []
        for stream, kind in zip(made, kinds, strict=True):
            for number in range(kind.get("count", COUNT)):
                frame = av.VideoFrame.from_ndarray(picture(number + kind.get("first", 0), stream.width, stream.height))
                frame.pts = number
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in packets:
            out.mux(packet)
    return path


def first_of(path: Path) -> tuple[int, int]:
    """The number drawn into the first frame, and how many there are."""
    frames = list(read_frames(path))
    return number_of(frames[0].image), len(frames)


COVER = {"codec": "mjpeg", "count": 1, "first": 77}
DEFAULT = {"disposition": Disposition.default}


@pytest.mark.parametrize(
    ("kinds", "first"),
    [
        ([COVER, DEFAULT], 0),
        ([DEFAULT, {"first": 100, "size": (128, 96)}], 0),
        ([{"first": 100, "size": (128, 96)}, DEFAULT], 0),
        ([COVER, {}], 0),
        ([{}, COVER], 0),
        ([{}, {"first": 100}], 0),
    ],
    ids=str,
)
def test_the_default_counts_then_the_one_that_goes_on_then_the_first(tmp_path: Path, kinds: list[dict[str, Any]], first: int) -> None:
    assert first_of(streams(tmp_path / "a.mkv", *kinds)) == (first, COUNT)


def test_a_cover_without_its_flag_does_not_hide_the_film() -> None:
    path = FIELD / "cover_first_noflag.mp4"
    summary = count_frames(path)
    assert (summary.count, summary.codec, summary.verdict()) == (20, "h264", ("ok", ""))
    look = examine(Look(str(path), decode=True))
    assert (look["count"], look["codec"], look["header"]) == (20, "h264", 20)
    assert sample_video(Job(str(path), digest_file(path), SampleParams(num_clips=1, frames_per_clip=8, codec="png"))).meta["count"] == 20
    with Video(path) as video:
        assert video.index == 1 and sum(1 for _ in video.places()) == 20


@pytest.mark.parametrize("mark", [Disposition.attached_pic, Disposition.timed_thumbnails])
def test_art_is_no_film_even_if_it_is_the_default(mark: Disposition) -> None:
    art = SimpleNamespace(disposition=mark | Disposition.default, codec_context="mjpeg", type="video")
    plain, marked = (SimpleNamespace(disposition=d, codec_context="h264", type="video") for d in (Disposition(0), Disposition.default))

    def container(*streams: SimpleNamespace) -> Any:
        found = MagicMock(video=list(streams), best=lambda kind: art)
        found.__iter__.side_effect = lambda: iter(streams)
        return SimpleNamespace(streams=found)

    assert film(container(art, plain)) is plain and film(container(art, plain, marked)) is marked
    with pytest.raises(MediaError, match="only cover art"):
        film(container(art))


def moving(path: Path) -> Path:
    first, *others = (Image.fromarray(picture(number)) for number in range(COUNT))
    more: dict[str, Any] = {".webp": {"lossless": True}, ".avif": {"quality": 95}}.get(path.suffix, {})
    first.save(path, save_all=True, append_images=others, duration=1000 // RATE, **more)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png", ".avif"])
def test_pictures_that_move_are_videos(tmp_path: Path, suffix: str) -> None:
    path = moving(tmp_path / f"a{suffix}")
    frames = list(read_frames(path))
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert [frame.time for frame in frames] == [number / RATE for number in range(COUNT)]
    assert count_frames(path).verdict() == ("ok", "")


@pytest.mark.parametrize("name", ["a.webp", "a.mp4"])
def test_a_webp_that_moves_is_named_as_what_it_is(tmp_path: Path, name: str) -> None:
    path = moving(tmp_path / "a.webp").rename(tmp_path / name)
    with pytest.raises(MediaError, match="an animated WebP, which this FFmpeg cannot decode: convert it") as error:
        count_frames(path)
    assert error.value.state == "undecodable"


@pytest.mark.parametrize(("suffix", "kind"), [(".webp", "webp"), (".png", "png"), (".jpg", "jpeg"), (".avif", "avif"), (".ico", "ico")])
def test_a_picture_that_stands_still_is_no_video(tmp_path: Path, suffix: str, kind: str) -> None:
    Image.fromarray(picture(3)).convert("RGBA" if suffix == ".webp" else "RGB").save(tmp_path / f"a{suffix}")
    with pytest.raises(MediaError, match=f"a still picture \\({kind}\\)") as error:
        count_frames(tmp_path / f"a{suffix}")
    assert error.value.state == "not_media"


def test_a_stream_without_a_decoder_does_not_hide_one_that_has_one(tmp_path: Path) -> None:
    path = streams(tmp_path / "a.mkv", {"codec": "mpeg4", **DEFAULT}, {"first": 100})
    data = path.read_bytes()
    path.write_bytes(data.replace(b"V_MPEG4/ISO", b"V_QQQQQ/ISO", 1))
    assert first_of(path) == (100, COUNT)


def test_the_codec_of_a_whole_file_stays(tmp_path: Path) -> None:
    assert count_frames(write(tmp_path / "a.mp4")).codec == "h264"
