"""Clips that are seen and heard lie on disk as Kinetics-Sound does, and what is heard is the class's sound, in time with the movement."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from cache.errors import ConfigError
from media.audio import read_sound
from stages.index.adapters import adapter
from stages.index.dataset import Dataset
from stages.index.holdings import holdings
from stages.index.soundness import check
from tests.world.test_action_layouts import digests
from world import sounding, truth
from world.generate import generate
from world.layout import Shown
from world.noises import KINDS
from world.sounding import CLASSES, SoundingClip, events, held_out, make_sounding, soundtrack

#: Classes, clips of a class, groups of a class: less than a tiny world has.
FEW = (3, 4, 4)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("av") / "world"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sounding.SIZES, "tiny", FEW)
        generate(out, "kinetics-sound", "tiny", 3)
    return out


@pytest.fixture(scope="module")
def dataset(world: Path) -> Dataset:
    found = adapter("kinetics-sound")
    dataset = found.read(world)
    check(dataset, found.holds)
    return dataset


def clips(size: str = "small") -> dict[tuple[str, int, int], SoundingClip]:
    return {(clip.kind.name, clip.group, clip.number): clip for clip in make_sounding(5, size)}


def test_the_adapter_reads_what_the_truth_says(world: Path, dataset: Dataset) -> None:
    rows = {row["id"]: row for row in truth.videos(world)}
    said = {one.video_id: one.classes for one in dataset.annotations}
    assert {(v.id, v.path, v.splits, said[v.id]) for v in dataset.videos} == {
        (r["id"], r["path"], tuple(r["splits"]), (r["class"],)) for r in rows.values()
    }
    assert dataset.classes == ("playing_drums", "singing_with_guitar", "strumming_guitar") and not dataset.notes
    found = holdings("kinetics-sound", world)
    assert len(found.there) == 12 and not found.missing and not found.unused


def test_lists_have_the_published_form(world: Path) -> None:
    for part, number in (("train", 9), ("val", 3)):
        text = (world / "kinetics_sound" / f"{part}.txt").read_text()
        entries = json.loads(text)
        assert "\n" not in text and len(entries) == number
        assert all(re.fullmatch(r"[a-z_]+/[\w-]{11}_\d{6}_\d{6}\.avi", entry) and (world / part / entry).is_file() for entry in entries)


def test_groups_are_in_one_part(world: Path) -> None:
    parts = {(row["class"], row["group"]): set() for row in truth.videos(world)}
    for row in truth.videos(world):
        parts[row["class"], row["group"]] |= set(row["splits"])
    assert Counter(tuple(found) for found in parts.values()) == {("train",): 9, ("val",): 3}
    assert [sum(held_out(g, size) for g in range(1, 1 + sounding.SIZES[size][2])) for size in ("tiny", "small", "medium", "large")] == [
        1,
        3,
        4,
        10,
    ]


def test_files_have_four_seconds_of_pictures_and_sound(world: Path) -> None:
    for row in list(truth.videos(world))[::5]:
        with av.open(str(world / row["path"])) as container:
            frames = sum(1 for _ in container.decode(video=0))
        heard = read_sound(world / row["path"], 16000)
        assert frames == row["plan"]["frames"] and 4 < frames / 12 <= 5.01
        assert abs(len(heard.samples) / 16000 - frames / 12) < 0.12 and np.abs(heard.samples).max() > 3000


def test_workers_change_no_byte(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sounding.SIZES, "tiny", FEW)
    generate(tmp_path / "again", "kinetics-sound", "tiny", 3, workers=2)
    assert digests(tmp_path / "again") == digests(world)


def test_neither_look_nor_sound_alone_tells_all_classes_but_both_do() -> None:
    looks, sounds = [(c.action, c.holds, c.thing) for c in CLASSES], [c.sound for c in CLASSES]
    assert (len(CLASSES), len(set(looks)), len(set(sounds))) == (24, 16, 15)
    assert len({*zip(looks, sounds)}) == len(CLASSES) and set(sounds) <= KINDS.keys()
    assert len({c.name for c in CLASSES}) == len(CLASSES)
    first = CLASSES[: sounding.SIZES["tiny"][0]]
    assert len({c.action for c in first}) == 6 and len({c.sound for c in first}) == 5


def test_a_class_is_where_it_belongs_with_what_it_has_and_nobody_else_has_that() -> None:
    for clip in clips().values():
        plan, main = clip.plan, clip.plan.actors[clip.main]
        assert plan.scene in clip.kind.places and [s.action for s in main.segments] == [clip.kind.action]
        assert main.holds == (clip.kind.holds or "") and all(not a.holds for a in plan.actors if a is not main)
        assert [t.name for t in plan.things if t.name in sounding.TELLING] == [clip.kind.thing] * bool(clip.kind.thing)
        assert all(s.action == "idle" for a in plan.actors if a is not main for s in a.segments)


def test_chosen_classes_are_those_clips_of_the_whole_world() -> None:
    chosen = Shown(("waving flag", "crawling"))
    assert list(make_sounding(5, "small", chosen)) == [clip for (name, _, _), clip in clips().items() if name in chosen.actions]
    with pytest.raises(ConfigError, match="is called 'wavin flag'"):
        list(make_sounding(5, "small", Shown(("wavin flag",))))


def test_in_the_plain_setting_people_are_alone_by_day_where_their_class_usually_is_before_a_still_camera() -> None:
    varied, plain = clips(), list(make_sounding(5, "small", Shown(setting="plain")))
    assert len(plain) == len(varied)
    for clip in plain:
        plan, (who,) = clip.plan, clip.plan.actors
        assert (plan.scene, plan.night) == (clip.kind.places[0], False)
        assert [thing.name for thing in plan.things] == [clip.kind.thing] * bool(clip.kind.thing)
        assert (plan.camera.move, plan.camera.zoom, plan.camera.zoom_end) == ("still", 1, 1)
        other = varied[clip.kind.name, clip.group, clip.number].plan
        assert who.shirt in {actor.shirt for actor in other.actors}


def test_in_the_plain_setting_no_clip_is_much_louder_than_another() -> None:
    def spread(setting: str) -> float:
        chosen = make_sounding(5, "small", Shown(("running on gravel",), setting))
        peaks = [float(np.abs(soundtrack(clip, 5)).max()) for clip in chosen]
        return max(peaks) / min(peaks)

    assert spread("plain") < 1.6 < 3 < spread("varied")


def test_the_world_on_disk_shows_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sounding.SIZES, "tiny", (1, 2, 2))
    generate(tmp_path / "world", "kinetics-sound", "tiny", 3, shown=Shown(("crawling",), "plain"))
    rows = list(truth.videos(tmp_path / "world"))
    assert [(row["class"], row["plan"]["scene"]) for row in rows] == [("crawling", "kitchen")] * 2


def test_steps_are_heard_when_the_feet_come_down() -> None:
    clip = clips()["walking on gravel", 1, 1]
    (segment,) = clip.plan.actors[clip.main].segments
    times = events(segment, "gravel", np.random.default_rng(0))
    assert np.allclose(np.diff(times), 1 / (2 * segment.rate))
    track = soundtrack(clip, 5)
    spectrum, among = np.fft.rfft(track), np.fft.rfftfreq(len(track), 1 / 16000)
    spectrum[among < 4500] = 0  # below, the place is heard
    power = np.convolve(np.fft.irfft(spectrum, len(track)) ** 2, np.ones(400), mode="same")
    found = np.fft.rfft(power - power.mean())
    hertz = np.fft.rfftfreq(len(power), 1 / 16000)
    among = (hertz > 0.8) & (hertz < 3.5)
    assert abs(hertz[among][np.abs(found[among]).argmax()] - 2 * segment.rate) < 0.25


def test_jumps_are_heard_once_each() -> None:
    clip = clips()["bouncing on trampoline", 2, 1]
    (segment,) = clip.plan.actors[clip.main].segments
    assert len(events(segment, "boing", np.random.default_rng(0))) == segment.reps


def test_clips_differ_in_loudness_and_another_seed_is_another_sound() -> None:
    made = clips()
    peaks = [np.abs(soundtrack(made["clapping", group, 1], 5)).max() for group in (1, 2, 3)]
    assert max(peaks) > 1.2 * min(peaks)
    first = made["clapping", 1, 1]
    assert np.array_equal(soundtrack(first, 5), soundtrack(first, 5)) and not np.array_equal(soundtrack(first, 5), soundtrack(first, 6))
