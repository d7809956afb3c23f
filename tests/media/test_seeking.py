"""torchcodec beside PyAV: the same frames, times and states; other levels of colour; and no trust in a frame that is another one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from cache.digest import digest_file
from cache.errors import ConfigError
from media import decode, seeking
from media.decode import Frame
from media.outcome import MediaError
from stages.sample import SampleParams
from stages.sample.policies import clip_indices
from stages.sample.worker import Job, sample_video
from tests.media.films import FILMS, film
from tests.media.test_zoo import ZOO
from tests.media.zoo import COUNT, number_of, picture, turned, write


def absent() -> str:
    """Why torchcodec cannot be used here, or ""."""
    try:
        seeking.require()
    except ConfigError as error:
        return error.message
    return ""


installed = pytest.mark.skipif(bool(absent()), reason=absent())


def everything(count: int, times: object) -> list[int]:
    return list(range(count))


def read(module: Any, path: Path) -> Any:
    """(state, reason, size, rate, {number: (time, picture)}) of all frames, or the state alone of a lost file; and who made the pixels."""
    try:
        summary, kept = module.read_chosen(path, everything, lambda frame: (frame.time, frame.image))
    except MediaError as error:
        return error.state, "", kept_nothing()
    return (*summary.verdict(), summary.width, summary.height, summary.rate, summary.count), summary.pixels, kept


def kept_nothing() -> dict[int, tuple[float, np.ndarray]]:
    return {}


@installed
@pytest.mark.parametrize("name", ZOO)
def test_states_numbers_times_and_pictures_are_those_of_pyav(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ZOO[name].make(path)
    facts, _, ours = read(decode, path)
    same, pixels, theirs = read(seeking, path)
    assert same == facts
    assert {number: time for number, (time, _) in theirs.items()} == {number: time for number, (time, _) in ours.items()}
    for number, (_, image) in theirs.items():
        if not pixels:
            assert np.array_equal(image, ours[number][1])
        else:
            assert image.dtype == np.uint8 and number_of(image) == number_of(ours[number][1])


@installed
@pytest.mark.parametrize("name", ["b.mp4", "variable.mkv", "hidden.mp4", "clockwise.mp4", "deep.mkv", "odd.mkv", "noindex.avi", "two.mp4"])
def test_torchcodec_reads_what_is_whole(tmp_path: Path, name: str) -> None:
    ZOO[name].make(tmp_path / name)
    assert read(seeking, tmp_path / name)[1].startswith("torchcodec ")


@installed
@pytest.mark.parametrize("name", FILMS)
def test_colours_of_real_films_differ_by_a_level_or_two(name: str) -> None:
    def choose(count: int, times: object) -> list[int]:
        return sorted({int(number) for number in clip_indices(count, 3, 4).flat})

    _, ours = decode.read_chosen(film(name), choose, lambda frame: frame.image)
    summary, theirs = seeking.read_chosen(film(name), choose, lambda frame: frame.image)
    assert summary.pixels.startswith("torchcodec ") and list(theirs) == list(ours)
    for number, image in theirs.items():
        difference = np.abs(image.astype(int) - ours[number])
        assert difference.mean() < 2.5 and np.quantile(difference, 0.99) <= 10  # chroma is interpolated in another way
        others = [np.abs(image.astype(int) - ours[other]).mean() for other in ours if abs(other - number) > 20]
        assert difference.mean() < min(others) / 2


@installed
def test_a_sample_by_torchcodec_says_so_and_has_the_same_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", range(40))
    jobs = [
        Job(str(path), digest_file(path), SampleParams(num_clips=2, frames_per_clip=8, codec="png", decode=name))
        for name in ("pyav", "torchcodec")
    ]
    ours, theirs = (sample_video(job) for job in jobs)
    assert ours.meta == {**theirs.meta, "pixels": ""} and theirs.meta["pixels"].startswith("torchcodec ")


@installed
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", FILMS)
def test_a_gpu_gives_the_same_frames(name: str) -> None:
    _, ours = decode.read_chosen(film(name), everything, lambda frame: frame.image[::4, ::4].astype(int))
    summary, theirs = seeking.read_chosen_cuda(film(name), everything, lambda frame: frame.image[::4, ::4].astype(int))
    assert "cuda" in summary.pixels and list(theirs) == list(ours)
    assert max(np.abs(theirs[number] - ours[number]).mean() for number in ours) < 4


# -- without torchcodec: a stand-in, right or wrong in one thing ---------------------------------------------------------


class StandIn:
    """A decoder as torchcodec's, over the pictures of the zoo at 10 a second."""

    count = COUNT
    late = 0.0
    shape = (48, 64, 3)
    fault: Exception | None = None

    def __init__(self, path: str, *, stream_index: int, dimension_order: str, num_ffmpeg_threads: int, device: str) -> None:
        assert Path(path).is_absolute() and dimension_order == "NHWC" and (stream_index, num_ffmpeg_threads, device) == (0, 1, "cpu")

    def __len__(self) -> int:
        return self.count

    def get_frames_at(self, numbers: list[int]) -> Any:
        if self.fault is not None:
            raise self.fault
        images = [np.ascontiguousarray(255 - picture(number))[: self.shape[0]] for number in numbers]
        batch = ModuleType("batch")
        batch.pts_seconds = torch.tensor([number / 10 + self.late for number in numbers], dtype=torch.float64)  # type: ignore[attr-defined]
        batch.data = torch.from_numpy(np.stack(images))  # type: ignore[attr-defined]
        return batch


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """torchcodec is this stand-in, whose pictures are negatives."""
    kind = type("Kind", (StandIn,), {})
    package, decoders = ModuleType("torchcodec"), ModuleType("torchcodec.decoders")
    package.__version__, package.ffmpeg_major_version = "0", 0  # type: ignore[attr-defined]
    decoders.VideoDecoder = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", package)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    return kind


def corner(frame: Frame) -> int:
    """Light in the corner where the lowest bit of the number is."""
    return int(frame.image[4:20, 2:6].mean() > 127)


def test_the_pixels_are_torchcodecs_and_the_facts_pyavs(tmp_path: Path, stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4")
    monkeypatch.setattr(seeking, "PIXELS_AT_ONCE", 3 * 64 * 48)
    summary, kept = seeking.read_chosen(path, lambda count, times: [5, 0, 7, 8, count - 1], corner)
    assert kept == {0: 1, 5: 0, 7: 0, 8: 1, 19: 0}
    assert summary.pixels == "torchcodec 0, FFmpeg 0, cpu" and (summary.count, summary.header) == (20, 20)


FAULTS = ({"fault": RuntimeError("no frame")}, {"fault": IndexError("-1")})


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": COUNT + 1},
        {"late": 0.1},
        {"late": 2e-6},
        {"shape": (47, 64, 3)},
        {"fault": RuntimeError("no frame")},
        {"fault": IndexError("-1")},
    ],
    ids=str,
)
def test_a_frame_that_is_another_one_is_not_taken(tmp_path: Path, stand_in: type[StandIn], wrong: dict[str, Any]) -> None:
    for name, value in wrong.items():
        setattr(stand_in, name, value)
    summary, kept = seeking.read_chosen(write(tmp_path / "a.mp4"), lambda count, times: [0, 1], corner)
    assert (kept, summary.pixels) == ({0: 0, 1: 1}, "")


@pytest.mark.parametrize("name", ["twins.mkv", "cut.mkv", "flipped.avi", "mirrored.mp4", "joined.ts"])
def test_videos_that_torchcodec_could_not_tell_right_are_not_given_to_it(tmp_path: Path, stand_in: type[StandIn], name: str) -> None:
    ZOO[name].make(tmp_path / name)
    stand_in.fault = KeyError("it was asked")
    assert read(seeking, tmp_path / name)[1] == ""


def test_a_change_of_size_is_not_scaled(tmp_path: Path, stand_in: type[StandIn]) -> None:
    parts = [write(tmp_path / f"{width}.ts", range(5), codec="mpeg2video", rate=25, size=(width, 48)).read_bytes() for width in (64, 96)]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    stand_in.fault = KeyError("it was asked")
    _, kept = seeking.read_chosen(tmp_path / "both.ts", everything, lambda frame: frame.image.shape[1])
    assert set(kept.values()) == {64, 96}


def test_a_lost_file_is_lost_in_the_same_state(tmp_path: Path, stand_in: type[StandIn]) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(MediaError) as error:
        seeking.read_chosen(tmp_path / "empty.mp4", everything, corner)
    assert error.value.state == "empty"


def test_without_torchcodec_the_option_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ConfigError, match="not installed") as error:
        seeking.require()
    assert "kdpipe[torchcodec]" in error.value.hint


def test_a_gpu_that_is_not_there_is_an_error_before_any_video(stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no device cuda"):
        seeking.require("cuda")


def test_only_the_module_that_reads_joins_the_key() -> None:
    assert SampleParams().modules == ("media.decode",)
    assert SampleParams(decode="torchcodec").modules == SampleParams(decode="torchcodec-cuda").modules == ("media.seeking",)


@pytest.mark.parametrize(
    ("matrix", "mirrored"), [((0, 1, -1, 0), False), ((-1, 0, 0, -1), False), ((-1, 0, 0, 1), True), ((0, 1, 1, 0), True)]
)
def test_a_turn_is_no_mirror(tmp_path: Path, matrix: tuple[int, int, int, int], mirrored: bool) -> None:
    turned(tmp_path / "a.mp4", matrix, lambda image: image)
    with decode.Video(tmp_path / "a.mp4") as video:
        assert next(video.places()).turn.mirrored == mirrored
