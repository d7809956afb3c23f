"""One action a clip: nobody in the picture does anything else, groups share people and place, and classes keep to their few-shot split."""

from __future__ import annotations

import numpy as np
import pytest

from cache.errors import ConfigError
from world.actions import ACTIONS, DRILLS, KNOWN
from world.body import CHANNELS
from world.clips import FEW_SHOT, SIZES, TELLING, Clip, camel, classes, groups, make_clips
from world.layout import Shown
from world.moves import Style
from world.plan import make_plan


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return list(make_clips(3, "small"))


def test_a_world_has_at_least_thirty_classes_unless_it_is_tiny() -> None:
    assert len(classes("small")) == len(classes("medium")) == len(classes("large")) == len(KNOWN) == 36
    assert len(classes("tiny")) == 16


def test_chosen_actions_are_those_clips_of_the_whole_world(clips: list[Clip]) -> None:
    chosen = Shown(("wave", "jump"))
    assert classes("small", chosen) == ["jump", "wave"]
    assert list(make_clips(3, "small", chosen)) == [clip for clip in clips if clip.action in chosen.actions]
    with pytest.raises(ConfigError, match="knows how to 'wav'"):
        classes("small", Shown(("wav",)))


def test_in_the_plain_setting_people_are_alone_in_one_place_before_a_still_camera() -> None:
    plain = list(make_clips(3, "small", Shown(("wave", "sit"), "plain")))
    assert len(plain) == 2 * SIZES["small"][1]
    assert len({(clip.plan.scene, clip.plan.night, clip.plan.texture) for clip in plain}) == 1
    assert {clip.plan.camera.move for clip in plain} == {"still"}
    assert all((clip.plan.camera.zoom, clip.plan.camera.zoom_end, clip.plan.camera.dx) == (1, 1, 0) for clip in plain)
    assert all(len(clip.plan.actors) == 1 and not clip.plan.things for clip in plain)
    assert len({(c.plan.actors[0].shirt, c.plan.actors[0].height) for c in plain}) == 2 * SIZES["small"][2]
    assert len({clip.plan.actors[0].x for clip in plain}) == len(plain)


def test_every_action_is_in_one_few_shot_split() -> None:
    assert sorted(name for names in FEW_SHOT.values() for name in names) == sorted(KNOWN)


def test_every_class_has_as_many_clips_as_the_size_says(clips: list[Clip]) -> None:
    for action in KNOWN:
        assert sum(clip.action == action for clip in clips) == SIZES["small"][1] == sum(groups("small"))


def test_a_world_can_have_more_people_than_its_size_says_and_the_first_ones_are_the_same() -> None:
    few, many = (list(make_clips(3, "small", Shown(("wave", "sit"), "plain", clips=12, groups=groups))) for groups in (0, 12))
    assert len(few) == len(many) == 24
    assert {clip.group for clip in few} == {1, 2, 3, 4} and {clip.group for clip in many} == set(range(1, 13))
    assert [clip for clip in few if clip.number == 1] == [clip for clip in many if clip.group <= 4]
    with pytest.raises(ConfigError, match="30 groups have no clip each where a class has 8"):
        groups("small", Shown(groups=30))


def test_the_main_person_does_the_action_from_beginning_to_end(clips: list[Clip]) -> None:
    for clip in clips:
        (segment,) = clip.plan.actors[clip.main].segments
        assert (segment.action, segment.start) == (clip.action, 0.0) and segment.end == pytest.approx(clip.plan.seconds, abs=1e-3)


def test_everybody_else_stands_or_does_the_same(clips: list[Clip]) -> None:
    others = [s.action == clip.action for clip in clips for i, a in enumerate(clip.plan.actors) for s in a.segments if i != clip.main]
    done = {(clip.action, segment.action) for clip in clips for actor in clip.plan.actors for segment in actor.segments}
    assert all(did in (action, "idle") for action, did in done)
    assert 20 < sum(others) < len(others) - 20


def test_nobody_holds_what_belongs_to_another_action(clips: list[Clip]) -> None:
    for clip in clips:
        for actor in clip.plan.actors:
            assert actor.holds not in TELLING - {KNOWN[clip.action].prop}
            assert actor.segments[0].action == clip.action or actor.holds not in TELLING


def test_clips_of_a_group_share_people_and_place_and_differ_in_the_rest(clips: list[Clip]) -> None:
    def cast(clip: Clip) -> tuple[object, ...]:
        plan = clip.plan
        people = sorted((a.kind, a.shirt, a.bottom, a.skin, a.hair, a.hat, a.height) for a in plan.actors)
        return plan.scene, plan.night, plan.texture, *people

    by_group: dict[tuple[str, int], list[Clip]] = {}
    for clip in clips:
        by_group.setdefault((clip.action, clip.group), []).append(clip)
    assert all(len({cast(clip) for clip in group}) == 1 for group in by_group.values())
    assert len({cast(group[0]) for group in by_group.values()}) == len(by_group)
    assert all(len({str(clip.plan.actors[clip.main].segments) for clip in group}) == len(group) for group in by_group.values())


def test_people_places_and_cameras_vary(clips: list[Clip]) -> None:
    assert len({clip.plan.scene for clip in clips}) == 9 and len({clip.plan.camera.move for clip in clips}) == 5
    assert {len(clip.plan.actors) for clip in clips} == {1, 2, 3} and {clip.plan.night for clip in clips} == {True, False}
    assert len({(a.kind, a.shirt) for clip in clips for a in clip.plan.actors}) > 30


def test_no_two_plans_of_worlds_have_one_number(clips: list[Clip]) -> None:
    numbers = {clip.plan.index for clip in clips}
    assert len(numbers) == len(clips) and min(numbers) >= 2_000_000


def test_the_same_seed_makes_the_same_clips_and_another_seed_others(clips: list[Clip]) -> None:
    assert list(make_clips(3, "small")) == clips
    assert all(a != b for a, b in zip(clips, make_clips(4, "small")))


def test_a_name_is_written_in_capitals_and_small_letters() -> None:
    assert (camel("sit"), camel("jack"), camel("walk")) == ("SittingDown", "JumpingJacks", "Walking")


def test_the_plans_of_other_worlds_have_none_of_the_drills() -> None:
    assert list(KNOWN) == [*ACTIONS, *DRILLS]
    done = {s.action for i in range(300) for actor in make_plan(0, i).actors for s in actor.segments}
    assert not done & set(DRILLS)


@pytest.mark.parametrize("name", sorted(DRILLS))
def test_drills_move_known_channels_within_what_a_body_can_do(name: str) -> None:
    t = np.linspace(0, 2, 25)
    pose = DRILLS[name].move(t, 2.0, Style(reps=2))
    assert set(pose) <= set(CHANNELS)
    values = np.stack([np.broadcast_to(v, t.shape) for v in pose.values()])
    assert np.isfinite(values).all() and np.abs(values).max() <= 200 and np.ptp(values, axis=1).max() > 10
