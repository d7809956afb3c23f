"""The truth agrees with the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from world import dense, truth
from world.actions import ACTIONS
from world.body import CHANNELS, KEYPOINTS
from world.moves import Style
from world.plan import make_plan
from world.render import Film, draw, stage_film

SOME = (1, 4, 9, 13)


def test_files_hold_what_they_document(msvd: Path) -> None:
    rows = list(truth.videos(msvd))
    assert [row["id"] for row in rows] == list(range(1, 17))
    for row in rows[:4]:
        stored = np.load(msvd / "truth" / f"{row['id']}.npz")
        shape = (len(row["plan"]["actors"]), row["plan"]["frames"], 17)
        assert stored["keypoints"].shape == (*shape, 2) and stored["keypoints"].dtype == np.float16
        assert stored["visible"].shape == shape and set(np.unique(stored["visible"])) <= {0, 1, 2}
        points, seen = truth.picture_keypoints(truth.film(row))
        assert np.abs(points - stored["keypoints"]).max() < 0.2 and np.array_equal(seen, stored["visible"])


def test_segments_cover_each_actors_time(msvd: Path) -> None:
    for row in truth.videos(msvd):
        for actor in row["plan"]["actors"]:
            edges = [s["start"] for s in actor["segments"]] + [actor["segments"][-1]["end"]]
            assert edges[0] == 0 and edges == sorted(edges)
            assert [s["end"] for s in actor["segments"]] == edges[1:]


@pytest.mark.parametrize("index", SOME)
def test_visible_keypoints_lie_on_their_actor(index: int) -> None:
    film = stage_film(make_plan(0, index))
    points, seen = truth.picture_keypoints(film)
    on = total = 0
    for t in range(0, film.plan.frames, 7):
        owner = dense.segmentation(film, t)
        for a in range(len(film.actors)):
            x, y = points[a, t][seen[a, t] == 2].astype(int).T
            on += int((owner[y, x] == a).sum())
            total += len(x)
    assert total > 50 and on / total > 0.97


@pytest.mark.parametrize("index", SOME)
def test_pixels_differ_from_the_empty_place_where_the_segmentation_has_people(index: int) -> None:
    film = stage_film(make_plan(0, index))
    frames = list(draw(film))
    film.parts = [p for p in film.parts if p.owner < 0]
    empty = list(draw(film))
    full = stage_film(make_plan(0, index))
    for t in (0, film.plan.frames // 2):
        inside = dense.segmentation(full, t) >= 0
        changed = np.abs(frames[t].astype(int) - empty[t]).sum(-1) > 6
        assert changed[inside].mean() > 0.93
        assert changed[dense.segmentation(full, t) == -1].mean() < 0.08


def _sample(picture: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Bilinear values of (H, W, 3) at (H, W, 2) picture pixels."""
    target = np.clip(target - 0.5, 0, [158.999, 118.999])
    x, y = np.moveaxis(target.astype(int), -1, 0)
    u, v = np.moveaxis(target - target.astype(int), -1, 0)[..., None]
    above = picture[y, x] * (1 - u) + picture[y, x + 1] * u
    below = picture[y + 1, x] * (1 - u) + picture[y + 1, x + 1] * u
    return above * (1 - v) + below * v


def _moving(move: str, number: int) -> list[Film]:
    plans = (make_plan(0, i) for i in range(60))
    return [stage_film(plan) for plan in plans if plan.camera.move == move][:number]


def test_flow_warps_the_people_of_the_next_frame_onto_this_one() -> None:
    warped = still = 0.0
    for film in _moving("pan", 4) + _moving("still", 4):
        t = film.plan.frames // 2
        frames = [f.astype(float) for f in draw(film)]
        people = dense.segmentation(film, t) >= 0
        warped += np.abs(_sample(frames[t + 1], dense._grid() + dense.flow(film, t)) - frames[t])[people].mean()
        still += np.abs(frames[t + 1] - frames[t])[people].mean()
    assert warped < 0.5 * still


@pytest.mark.parametrize("move", ["pan", "zoom"])
def test_the_camera_of_the_truth_is_the_camera_of_the_picture(move: str) -> None:
    for film in _moving(move, 3):
        film.parts = film.parts[:1]
        frames = [f.astype(float) for f in draw(film)]
        target = film.shots.at(film.shots.world(dense._grid(), 0), film.plan.frames - 1)
        inside = ((target > 1) & (target < [159, 119])).all(-1)
        warped = np.abs(_sample(frames[-1], target) - frames[0])[inside].mean()
        assert warped < 0.6 * np.abs(frames[-1] - frames[0])[inside].mean()


def test_flow_of_the_last_frame_is_zero_and_background_flow_is_the_cameras() -> None:
    film = next(f for f in (stage_film(make_plan(0, i)) for i in range(20)) if f.plan.camera.move == "pan")
    assert not dense.flow(film, film.plan.frames - 1).any()
    film.parts = []
    flow = dense.flow(film, 3)
    expected = (film.shots.centre[3] - film.shots.centre[4]) * film.shots.zoom[4]
    assert np.allclose(flow, expected, atol=1e-4)


@pytest.mark.parametrize("index", SOME)
def test_people_are_nearer_than_the_wall_and_nearer_people_hide_others(index: int) -> None:
    film = stage_film(make_plan(0, index))
    depth, owner = dense.depth(film, 5), dense.segmentation(film, 5)
    assert np.isfinite(depth).all() and depth.min() > 0.5 and depth.max() <= 60
    for a, actor in enumerate(film.plan.actors):
        if (owner == a).any():
            assert abs(float(np.median(depth[owner == a])) - dense.FOCAL * dense.TALL / actor.height) < 1.0


def test_keypoints_are_the_seventeen_of_coco() -> None:
    assert len(KEYPOINTS) == len(set(KEYPOINTS)) == 17
    assert KEYPOINTS[0] == "nose" and KEYPOINTS[-1] == "right_ankle"


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_actions_move_known_channels_within_what_a_body_can_do(name: str) -> None:
    t = np.linspace(0, 2, 25)
    pose = ACTIONS[name].move(t, 2.0, Style(reps=2))
    assert set(pose) <= set(CHANNELS)
    values = np.stack([np.broadcast_to(v, t.shape) for v in pose.values()])
    assert np.isfinite(values).all() and np.abs(values).max() <= 200
    assert np.ptp(values, axis=1).max() > 0
