"""Where flow is known, a pixel shows the same in the next frame; where it is not, one of three reasons says why."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import minimum_filter

from world import dense
from world.known import COVERED, KNOWN, LEAVES, VEILED, known, unknown
from world.parts import Part
from world.plan import WIDTH, make_plan
from world.render import Film, Shots, draw, stage_film

PLANS = [make_plan(0, i) for i in range(160)]


def _square(x: float, y: float, step: float, alpha: int = 255, size: int = 10) -> Part:
    """A square with its left top at (x, y) in frame 0, and ``step`` pixels further right in frame 1."""
    corners = size * np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    return Part(np.stack([corners + np.array([x, y]), corners + np.array([x + step, y])]), (200, 30, 30, alpha), np.zeros(2))


def _film(*parts: Part) -> Film:
    """Parts before a place, seen by a camera that stands still."""
    plan = make_plan(0, 0)
    plan.frames = 2
    return Film(plan, [], list(parts), Shots(np.tile([WIDTH / 2, 60.0], (2, 1)), np.ones(2)))


def test_an_empty_place_before_a_still_camera_is_known() -> None:
    assert known(_film(), 0).all()


def test_what_a_surface_moves_onto_is_covered_and_what_it_uncovers_is_known() -> None:
    film = _film(_square(40, 30, 4.0))
    why = unknown(film, 0)
    assert (why[31:39, 51:54] == COVERED).all() and (why[31:39, 40:50] == KNOWN).all()
    why[30:41, 50:55] = KNOWN
    assert (why == KNOWN).all()


def test_what_leaves_the_picture_is_not_known() -> None:
    why = unknown(_film(_square(WIDTH - 12, 30, 5.0)), 0)
    assert (why[31:39, WIDTH - 5 : WIDTH - 2] == LEAVES).all() and (why[31:39, WIDTH - 12 : WIDTH - 5] == KNOWN).all()


def test_a_surface_that_is_not_shown_in_the_next_frame_is_not_known() -> None:
    part = _square(40, 30, 0.0)
    part.shown = np.array([True, False])
    why = unknown(_film(part), 0)
    assert (why[30:40, 40:50] == COVERED).all() and (why != KNOWN).sum() <= 11 * 11


def test_what_lies_under_a_veil_in_either_frame_is_not_known_and_what_lies_over_it_is() -> None:
    veil, body = _square(40, 30, 4.0, alpha=80), _square(40, 30, 0.0, size=5)
    body.key = np.ones(2)
    why = unknown(_film(veil, body), 0)
    assert (why[31:39, 46:54] == VEILED).all()
    assert (why[30:35, 40:45] == KNOWN).all()


@pytest.mark.parametrize("scene", ["stage", "kitchen", "street", "beach"])
def test_known_places_before_a_still_camera_stay_as_they_are_and_veiled_ones_change(scene: str) -> None:
    changed = 0
    for film in [stage_film(p) for p in PLANS if p.scene == scene and p.camera.move == "still"][:2]:
        t = film.plan.frames // 2
        first, second = (picture.astype(int) for picture in draw(film, [t, t + 1]))
        differs = np.abs(first - second).sum(-1) > 0
        why = unknown(film, t)
        place = (dense.surface(film, t) == 0) & (dense.surface(film, t + 1) == 0)
        # the border of a surface is mixed from samples of both sides
        inside = minimum_filter(place & (why == KNOWN), 3)
        assert inside.sum() > 5000 and not differs[inside].any()
        changed += int(differs[place & (why == VEILED)].sum())
    assert changed


@pytest.mark.parametrize("index", [1, 4, 9, 13])
def test_most_of_a_drawn_frame_is_known(index: int) -> None:
    film = stage_film(PLANS[index])
    assert 0.6 < known(film, film.plan.frames // 2).mean() < 1
