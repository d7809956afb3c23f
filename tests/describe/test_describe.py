"""The user's own videos as records of YouTube-8M."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cache.errors import ConfigError, DataError
from formats.tfrecord import read_records
from formats.youtube8m import Video, parse_frames, quantise
from media.encode import write_video
from pipeline.cli.make_records import make_records
from pipeline.describe import write
from pipeline.describe.network import Describer
from pipeline.describe.seconds import Job, read_seconds
from pipeline.describe.write import Own, Plan, Result, write_records
from stages.index.yt8m import read

RATE = 4


def film(path: Path, seconds: float) -> Path:
    """A video whose picture is a shade of grey that tells the second."""
    frames = [np.full((32, 48, 3), 20 + 20 * (n // RATE), np.uint8) for n in range(round(seconds * RATE))]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, RATE)
    return path


class Grey:
    """A network that tells the mean shade: 4 numbers in -2 .. 2 that follow it."""

    name, weights, size, width = "grey", "0", 8, 4

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.seen += 1
        return (pictures.mean((1, 2, 3))[:, None] / 64 - [0, 1, 2, 3]).astype(np.float32)


@pytest.fixture
def videos(tmp_path: Path) -> list[Own]:
    return [
        Own("a", film(tmp_path / "in" / "a.mp4", 3), (7, 2)),
        Own("b/ü", film(tmp_path / "in" / "b" / "ü.mp4", 5)),
    ]


def records(result: Result, width: int) -> list[Video]:
    return [parse_frames(record.data, width) for path in result.shards for record in read_records(path)]


def test_pictures_are_those_of_the_seconds(tmp_path: Path) -> None:
    pictures = read_seconds(Job(str(film(tmp_path / "a.mp4", 4)), 8, 300))
    assert pictures.shape == (4, 8, 8, 3)
    assert np.abs(pictures.mean((1, 2, 3)) - [20, 40, 60, 80]).max() < 4
    assert np.array_equal(read_seconds(Job(str(tmp_path / "a.mp4"), 8, 2)), pictures[:2])


def test_records_hold_the_bytes_of_the_features_ids_labels_and_silence(videos: list[Own], tmp_path: Path) -> None:
    result = write_records(videos, tmp_path / "out", Grey(), Plan(whitening="none"))
    a, b = records(result, 4)
    assert (a.id, a.labels.tolist(), b.id, b.labels.tolist()) == ("a", [2, 7], "b/ü", [])
    pictures = read_seconds(Job(str(videos[0].path), 8, 300))
    assert (a.rgb == quantise(Grey()(pictures))).all()
    assert a.audio.shape == (3, 128) and not a.audio.any()
    assert (result.videos, result.frames, result.lost) == (2, 8, {})
    assert [video.path for video in read(tmp_path / "out").videos] == ["2/frame/train/train0000.tfrecord"]


def test_a_second_run_describes_only_what_is_new(videos: list[Own], tmp_path: Path) -> None:
    write_records(videos, tmp_path / "out", first := Grey(), Plan(whitening="none"))
    more = [*videos, Own("c", film(tmp_path / "in" / "c.mp4", 2))]
    result = write_records(more, tmp_path / "out", second := Grey(), Plan())
    assert (first.seen, second.seen) == (2, 1)
    assert [video.id for video in records(result, 4)] == ["a", "b/ü", "c"]


def test_a_fitted_whitening_is_kept_for_its_reversal(videos: list[Own], tmp_path: Path) -> None:
    result = write_records(videos, tmp_path / "out", Grey(), Plan(width=2))
    assert np.load(tmp_path / "out" / "yt8m_pca" / "eigenvals.npy").shape == (4, 1)
    assert len(read(tmp_path / "out").about["eigenvalues"]) == 4
    again = write_records(videos, tmp_path / "other", Grey(), Plan(width=2, whitening=str(tmp_path / "out" / "yt8m_pca")))
    assert all((a.rgb == b.rgb).all() for a, b in zip(records(result, 2), records(again, 2), strict=True))


def test_lost_videos_are_told_with_their_reason(videos: list[Own], tmp_path: Path) -> None:
    (tmp_path / "in" / "text.mp4").write_text("not a video")
    odd = [Own("text", tmp_path / "in" / "text.mp4"), Own("gone", tmp_path / "in" / "gone.mp4")]
    result = write_records([*odd, *videos], tmp_path / "out", Grey(), Plan())
    assert sorted(result.lost) == ["gone", "text"] and result.lost["gone"] == "there is no such file" and result.lost["text"]
    assert result.videos == 2
    with pytest.raises(DataError, match=r"no video gives a feature\n.*gone: there is no such file"):
        write_records(odd, tmp_path / "out", Grey(), Plan())


def test_what_is_no_file_that_can_be_read_is_lost_and_never_waited_for(videos: list[Own], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    places = {"directory": "in", "pipe": "pipe", "loop": "loop", "long": "x" * 300, "below": "in/a.mp4/b.mp4"}
    result = write_records([*(Own(id, tmp_path / name) for id, name in places.items()), *videos], tmp_path / "out", Grey(), Plan())
    assert result.lost == {
        "directory": "it is a directory",
        "pipe": "it is no regular file",
        "loop": "Too many levels of symbolic links",
        "long": "File name too long",
        "below": "there is no such file",
    }


def test_shards_hold_so_many_videos(videos: list[Own], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "SHARD_VIDEOS", 1)
    result = write_records(videos, tmp_path / "out", Grey(), Plan(partition="validate"))
    assert [path.name for path in result.shards] == ["validate0000.tfrecord", "validate0001.tfrecord"]


def test_widths_that_do_not_fit_are_refused(videos: list[Own], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="4 features cannot become 5"):
        write_records(videos, tmp_path / "out", Grey(), Plan(width=5))
    with pytest.raises(ConfigError, match="without whitening the width is the network's, 4, not 2"):
        write_records(videos, tmp_path / "out", Grey(), Plan(width=2, whitening="none"))


def test_the_command_writes_a_data_root_with_the_shipped_network(videos: list[Own], tmp_path: Path) -> None:
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--width", "16", "--workers", "1"]
    done = CliRunner().invoke(make_records, arguments, catch_exceptions=False)
    assert "2 videos, 8 frames in 1 shard(s); 0 lost" in done.output
    found = records(Result(shards=[tmp_path / "out" / "2" / "frame" / "train" / "train0000.tfrecord"]), 16)
    assert [video.id for video in found] == ["a", "b/ü"]


def test_the_command_tells_lost_videos_by_the_file_that_was_looked_for(videos: list[Own], tmp_path: Path) -> None:
    (tmp_path / "in" / "list.csv").write_text("a.mp4,1\ngone.avi,2\n")
    arguments = [str(tmp_path / "in" / "list.csv"), "--out", str(tmp_path / "out"), "--width", "2", "--workers", "1"]
    done = CliRunner().invoke(make_records, arguments, catch_exceptions=False)
    assert f"lost {tmp_path / 'in' / 'gone.avi'}: there is no such file" in done.output and "1 videos" in done.output


def test_a_network_without_shipped_weights_needs_a_file() -> None:
    with pytest.raises(ConfigError, match=r"no weights are shipped for resnet18\n.*--weights-file"):
        Describer("resnet18")
