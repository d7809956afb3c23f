"""The world in the layout of YouTube-8M: files as published, features by the published recipe, labels of what is shown."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cache.errors import ConfigError
from formats.tfrecord import read_records
from formats.youtube8m import Video, parse_frames, parse_means
from stages.index.yt8m import read
from stages.world import WorldParams
from world import youtube8m
from world.actions import ACTIONS
from world.concepts import CONCEPTS, SHOWN, concepts
from world.descriptors import FILTERS, listen
from world.generate import generate
from world.plan import AUDIO_RATE
from world.programme import STRIDE, Programme, Shot, make_programme
from world.truth import videos as truth_of


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("world") / "out", 1)


def made(out: Path, workers: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(youtube8m.SIZES, "tiny", (4, 2, 1))
        patch.setitem(youtube8m.FITTED, "tiny", 2)
        patch.setattr(youtube8m, "SHARD_VIDEOS", 3)
        generate(out, "yt8m", "tiny", 0, workers)
    return out


def records(world: Path, partition: str, level: str = "frame") -> list[Video]:
    parse = parse_frames if level == "frame" else parse_means
    paths = sorted((world / "2" / level / partition).iterdir())
    return [parse(record.data) for path in paths for record in read_records(path)]


def test_it_lies_as_the_published_set_and_is_indexed_as_such(world: Path) -> None:
    dataset = read(world)
    assert [video.path for video in dataset.videos] == [
        "2/frame/train/train0000.tfrecord",
        "2/frame/train/train0001.tfrecord",
        "2/frame/validate/validate0000.tfrecord",
        "2/frame/test/test0000.tfrecord",
    ]
    assert len(dataset.about["eigenvalues"]) == 2048
    assert len(read(world, "video").videos) == 4


def test_records_have_the_official_widths_and_names(world: Path) -> None:
    found = [video for partition in ("train", "validate", "test") for video in records(world, partition)]
    assert len({video.id for video in found}) == 7 and all(len(video.id) == 4 for video in found)
    for video in found:
        assert video.rgb.shape[1:] == (1024,) and video.audio.shape == (len(video.rgb), 128)
        assert 40 <= len(video.rgb) <= 300


def test_labels_are_what_the_truth_says_and_the_test_partition_has_none(world: Path) -> None:
    names = read(world).classes
    truth = {row["id"]: row for row in truth_of(world)}
    for partition in ("train", "validate"):
        for video in records(world, partition):
            row = truth[video.id]
            assert row["partition"] == partition
            assert {names[label] for label in video.labels} == set(row["concepts"]) & set(names)
            assert sum(shot["steps"] for shot in row["shots"]) == len(video.rgb)
    assert all(not len(video.labels) for video in records(world, "test"))


def test_the_vocabulary_counts_the_training_videos_and_falls(world: Path) -> None:
    with (world / "vocabulary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = [sum(label in video.labels for video in records(world, "train")) for label in range(len(rows))]
    assert [int(row["TrainVideoCount"]) for row in rows] == counts
    assert counts == sorted(counts, reverse=True) and counts[-1] >= youtube8m.LABEL_VIDEOS


def test_video_level_records_are_the_means_of_the_dequantised_frames(world: Path) -> None:
    for frames, means in zip(records(world, "train"), records(world, "train", "video")):
        assert (frames.id, frames.labels.tolist()) == (means.id, means.labels.tolist())
        dequantised = frames.rgb * (4 / 255) + 4 / 512 - 2
        assert np.abs(dequantised.mean(0) - means.rgb[0]).max() < 1e-5


@pytest.mark.long
def test_workers_change_no_byte(world: Path, tmp_path: Path) -> None:
    again = made(tmp_path / "again", 2)
    files = sorted(path.relative_to(world) for path in world.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for file in files:
        assert (world / file).read_bytes() == (again / file).read_bytes(), file


def test_a_full_directory_is_refused(world: Path) -> None:
    with pytest.raises(ConfigError, match="already holds a data set"):
        generate(world, "yt8m", "tiny", 0)


def test_only_this_layout_depends_on_its_code_and_on_the_network() -> None:
    assert WorldParams(layout="msvd-qa").modules == WorldParams(layout="msvd-qa").data == ()
    assert WorldParams(layout="yt8m").modules == ("world.youtube8m",)
    assert all(path.is_file() for path in WorldParams(layout="yt8m").data)


def test_programmes_are_long_and_their_shots_lie_within_their_plans() -> None:
    for index in range(30):
        programme = make_programme(3, index)
        assert programme == make_programme(3, index)
        assert programme.steps == sum(len(shot.pictures) for shot in programme.shots)
        assert 3 <= sum(shot.main for shot in programme.shots) <= 5
        for shot in programme.shots:
            assert shot.pictures.start >= 0 and shot.pictures[-1] < shot.plan.frames


def only(shot: Shot, steps: int, first: int = 0) -> Programme:
    return Programme(0, 0, (Shot(shot.plan, first, steps, True),))


def test_an_action_is_a_label_if_enough_of_it_is_shown() -> None:
    shot = next(
        shot
        for index in range(50)
        for shot in make_programme(0, index).shots
        if len(shot.plan.actors) == 1 and len(shot.plan.actors[0].segments) == 2 and shot.plan.actors[0].segments[0].end > 1.2
    )
    first, second = (segment.action for segment in shot.plan.actors[0].segments)
    assert ACTIONS[first].gerund in concepts(only(shot, SHOWN))
    assert ACTIONS[second].gerund not in concepts(only(shot, SHOWN))
    assert ACTIONS[first].gerund not in concepts(only(shot, SHOWN - 1))
    whole = concepts(only(shot, (shot.plan.frames - 1) // STRIDE + 1))
    assert {ACTIONS[first].gerund, ACTIONS[second].gerund, shot.plan.scene, shot.plan.actors[0].kind} <= set(whole)
    assert whole == [name for name in CONCEPTS if name in whole]


def test_the_ear_tells_a_low_tone_from_a_high_one_and_when() -> None:
    t = np.arange(2 * AUDIO_RATE) / AUDIO_RATE
    track = np.where(t < 1, np.sin(2 * np.pi * 200 * t), np.sin(2 * np.pi * 3000 * t)).astype(np.float32)
    heard = listen(track, np.array([0.5, 1.5]))
    assert heard.shape == (2, 128)
    low, high = (int(row[:64].argmax()) for row in heard)
    bins = np.fft.rfftfreq(512, 1 / AUDIO_RATE)
    assert abs(bins[FILTERS[low].argmax()] - 200) < 60 and abs(bins[FILTERS[high].argmax()] - 3000) < 200


def test_the_truth_can_be_read_line_by_line(world: Path) -> None:
    assert json.loads((world / "truth" / "world.json").read_text())["layout"] == "yt8m"
    assert sum(1 for _ in truth_of(world)) == 7
