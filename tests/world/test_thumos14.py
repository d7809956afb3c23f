"""Untrimmed videos lie on disk as THUMOS14 does, with its quirks; the adapter reads what the truth says."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from cache.errors import ConfigError
from stages.index.adapters import adapter
from stages.index.dataset import Dataset
from stages.index.soundness import check
from world import thumos14, truth
from world.actions import KNOWN
from world.generate import generate
from world.layout import Shown
from world.plan import Camera
from world.thumos14 import AMBIGUOUS, NUMBERS, sampled
from world.untrimmed import BETWEEN, DETECTED, Untrimmed, make_untrimmed, plain


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("thumos") / "world"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(thumos14.SIZES, "tiny", (3, 4, 3, (12, 16)))
        generate(out, "thumos14", "tiny", 3, workers=2)
    return out


@pytest.fixture(scope="module")
def dataset(world: Path) -> Dataset:
    found = adapter("thumos14")
    dataset = found.read(world)
    check(dataset, found.holds)
    return dataset


def test_the_adapter_reads_the_segments_of_the_truth(world: Path, dataset: Dataset) -> None:
    rows = {row["id"]: row for row in truth.videos(world)}
    assert {(v.id, v.path, v.splits) for v in dataset.videos} == {(r["id"], r["path"], tuple(r["splits"])) for r in rows.values()}
    said = sorted((one.video_id, one.classes[0], *(one.segment or ())) for one in dataset.annotations)
    assert said == sorted((id, *segment) for id, row in rows.items() for segment in row["segments"] if segment[0] != AMBIGUOUS)
    unclear = sorted((id, *segment[1:]) for id, row in rows.items() for segment in row["segments"] if segment[0] == AMBIGUOUS)
    assert sorted(map(tuple, dataset.about["ambiguous"])) == unclear != []


def test_classes_are_in_the_order_of_their_list_with_numbers_of_their_own(world: Path, dataset: Dataset) -> None:
    assert dataset.classes == ("Clapping", "Jumping", "Waving") and dataset.about["numbers"] == [NUMBERS[name] for name in dataset.classes]
    assert (world / "TH14evalkit" / "detclasslist.txt").read_text() == "".join(f"{NUMBERS[name]} {name}\n" for name in dataset.classes)


def test_one_test_video_is_ambiguous_only_and_one_is_not_scored(world: Path, dataset: Dataset) -> None:
    unscored, unclear = [video.id for video in dataset.videos if video.splits == ("test",)][-2:]
    assert dataset.about["not_scored"] == [unscored, unclear] and dataset.notes.keys() == {unscored, unclear}
    assert dataset.notes[unscored] == "thumos_gt.json lacks it, so what is found in it is not scored"
    assert dataset.notes[unclear].startswith("it has ambiguous parts only, no instance; test_video_info.csv lacks it")
    assert unclear not in dataset.about["video_info"] and unscored in dataset.about["video_info"]


def test_the_tables_agree_with_the_lists(world: Path, dataset: Dataset) -> None:
    scored = {one.video_id for one in dataset.annotations} - set(dataset.about["not_scored"])
    lacks = sum(one.video_id not in scored for one in dataset.annotations)
    for name, told in dataset.about["tables"].items():
        assert told["not_in_lists"] == 0 and told["instances"] >= 3 and told["lacks"] == (lacks if name == "thumos_gt.json" else 0) >= 0
    database = json.loads((world / "thumos_annotations" / "thumos_gt.json").read_text())["database"]
    assert all(isinstance(time, str) for entry in database.values() for one in entry["annotations"] for time in one["segment"])
    assert {entry["subset"] for entry in database.values()} == {"train", "test"}


def test_the_counts_of_pictures_are_those_that_decode(world: Path, dataset: Dataset) -> None:
    for video in dataset.videos[:2]:
        with av.open(str(world / video.path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert dataset.about["video_info"][video.id] == [12.0, 10.0, frames, sampled(frames)]


def test_ten_of_twelve_pictures_are_sampled() -> None:
    assert [sampled(n) for n in (1, 2, 12, 120, 1080)] == [0, 1, 10, 100, 900]


def videos(number: int, **more: bool) -> list[Untrimmed]:
    return [make_untrimmed(7, n, ("jump", "clap"), (30, 90), **more) for n in range(number)]


def test_instances_lie_apart_within_videos_of_half_a_minute_to_one_and_a_half() -> None:
    for made in videos(20):
        assert 30 <= made.plan.seconds <= 90 and len(made.instances) >= 2
        edges = [0.0, *(time for one in made.instances for time in (one.start, one.end)), made.plan.seconds]
        assert edges == sorted(edges) and all(b.start - a.end >= 1.3 for a, b in zip(made.instances, made.instances[1:]))
        assert {one.action for one in made.instances} <= {"jump", "clap"}
        assert sum(one.end - one.start for one in made.instances) < 0.75 * made.plan.seconds


def test_chosen_actions_are_the_classes_and_each_is_as_often_the_main_one() -> None:
    chosen = Shown(("squat", "bow", "crawl"), "plain")
    assert thumos14.detected("tiny", chosen) == chosen.actions and thumos14.detected("tiny") == DETECTED[:6]
    made = [video.made for video in thumos14._videos(0, "medium", chosen.actions, "plain")]
    main = [max(chosen.actions, key=[one.action for one in video.instances].count) for video in made if len(video.instances) > 4]
    assert {one.action for video in made for one in video.instances} == set(chosen.actions)
    assert all(0.25 * len(main) < main.count(action) < 0.42 * len(main) for action in chosen.actions)
    with pytest.raises(ConfigError, match="'read'"):
        thumos14.detected("tiny", Shown(("read",)))


def test_the_plain_setting_changes_who_and_what_is_around_and_not_what_is_done() -> None:
    for made in videos(10):
        alone = plain(made)
        assert alone.instances == made.instances and alone.plan.actors == [made.plan.actors[made.main]] and alone.main == 0
        assert (alone.plan.scene, alone.plan.night, alone.plan.things, alone.plan.camera) == ("street", False, [], Camera())
        assert alone.plan.frames == made.plan.frames


def test_what_lasts_under_a_second_is_ambiguous() -> None:
    lengths = [(one.end - one.start, one.certain) for made in videos(20) for one in made.instances]
    assert {certain for _, certain in lengths} == {True, False} and all((length > 0.95) == certain for length, certain in lengths)
    assert not any(one.certain for made in videos(3, only_short=True) for one in made.instances)


def test_nobody_does_what_is_looked_for_outside_the_instances() -> None:
    for made in videos(20):
        main = made.plan.actors[made.main]
        done = [(s.action, s.start, s.end) for s in main.segments if s.action not in BETWEEN]
        assert done == [(one.action, one.start, one.end) for one in made.instances]
        assert [s.end for s in main.segments][:-1] == [s.start for s in main.segments][1:]
        assert all(s.action == "idle" for actor in made.plan.actors for s in actor.segments if actor is not main)


def test_actions_that_are_looked_for_need_no_thing() -> None:
    assert len(set(DETECTED)) == 20 and not set(DETECTED) & set(BETWEEN)
    assert all(KNOWN[name].place == "any" and not KNOWN[name].prop for name in DETECTED)
