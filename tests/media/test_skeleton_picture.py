"""Pictures of skeletons."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.codings import skeleton_picture
from media.codings.skeleton_picture import JOINT_COLOURS, LIMB_COLOURS, LIMBS, SHOWN, draw

HEIGHT, WIDTH = 60, 80


def person(score: float = 0.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(5, 55, (1, 17, 2)), np.full((1, 17, 1), score)], 2).astype(np.float32)


@pytest.mark.parametrize("variant", skeleton_picture.VARIANTS)
def test_nobody_leaves_black_or_the_frame(variant: str) -> None:
    nobody = np.zeros((0, 17, 3), np.float32)
    assert not draw(nobody, HEIGHT, WIDTH, variant).any()
    under = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    np.testing.assert_array_equal(draw(nobody, HEIGHT, WIDTH, variant, under), under)
    np.testing.assert_array_equal(draw(person(SHOWN - 0.01), HEIGHT, WIDTH, variant, under), under)


def test_the_frame_below_is_not_changed_itself() -> None:
    under = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert draw(person(), HEIGHT, WIDTH, "fast", under).any() and not under.any()


def test_colours_are_red_green_blue() -> None:
    one = person(0.0)
    one[0, 3] = [40, 30, 0.9]  # the left ear alone
    assert draw(one, HEIGHT, WIDTH)[30, 40].tolist() == list(JOINT_COLOURS[3][::-1])


def test_a_limb_needs_both_of_its_joints_and_the_neck_both_shoulders() -> None:
    one = person(0.0)
    one[0, 11] = [20, 40, 0.9]
    one[0, 5], one[0, 6] = [30, 10, 0.9], [50, 10, 0.0]
    shown = {tuple(c) for c in draw(one, HEIGHT, WIDTH).reshape(-1, 3)}
    assert LIMB_COLOURS[LIMBS.index((5, 6))][::-1] not in shown
    assert LIMB_COLOURS[LIMBS.index((17, 11))][::-1] in shown, "the neck's score is the mean, 0.45"
    one[0, 5, 2] = 0.7
    assert LIMB_COLOURS[LIMBS.index((17, 11))][::-1] not in {tuple(c) for c in draw(one, HEIGHT, WIDTH).reshape(-1, 3)}


def test_the_surer_the_thicker() -> None:
    def thickness(score: float) -> int:
        one = person(0.0)
        one[0, 7], one[0, 9] = [10, 30, score], [70, 30, score]
        return int((draw(one, HEIGHT, WIDTH)[:, 40] > 0).any(1).sum())

    assert [thickness(score) for score in (0.45, 0.6, 1.0)] == [1, 5, 7]


@pytest.mark.parametrize("variant", skeleton_picture.VARIANTS)
@pytest.mark.parametrize("place", [-30.0, 1e5, -1e30, np.nan, np.inf])
def test_joints_outside_the_picture_do_no_harm(variant: str, place: float) -> None:
    one = person(0.9)
    one[0, ::2, 0] = place
    assert draw(one, HEIGHT, WIDTH, variant).shape == (HEIGHT, WIDTH, 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(skeleton_picture.VARIANTS), st.floats(0.41, 2.4))
def test_pictures_are_opencvs_but_for_a_pixel_here_and_there(seed: int, variant: str, score: float) -> None:
    cv2 = pytest.importorskip("cv2")
    people = person(score, seed)
    people[..., 2] *= np.random.default_rng(seed).uniform(0.7, 1.0, (1, 17))
    got = draw(people, HEIGHT, WIDTH, variant)
    want = opencv(cv2, people, variant)
    assert np.abs(got.astype(int) - want).mean() < 1.5
    assert (np.abs(got.astype(int) - want).max(2) > 0).sum() <= 0.02 * (want > 0).any(2).sum() + 6


def opencv(cv2, people: np.ndarray, variant: str) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The drawing as AlphaPose tells it to OpenCV's own functions: red, green, blue."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def blended(before: np.ndarray, after: np.ndarray, opacity: float) -> np.ndarray:
        return cv2.addWeighted(after, opacity, before, 1 - opacity, 0)

    for joints in people:
        joints = np.concatenate([joints, joints[[5, 6]].mean(0, keepdims=True)])
        at = {}
        for n in np.flatnonzero(joints[:, 2] > SHOWN):
            at[n] = int(joints[n, 0]), int(joints[n, 1])
            after = cv2.circle(image.copy(), at[n], 3 if variant == "fast" else 2, JOINT_COLOURS[n], -1)
            image = after if variant == "fast" else blended(image, after, float(min(1, joints[n, 2])))
        for (a, b), colour in zip(LIMBS, LIMB_COLOURS):
            if a not in at or b not in at:
                continue
            (xa, ya), (xb, yb), both = at[a], at[b], float(joints[a, 2] + joints[b, 2])
            if variant == "fast":
                cv2.line(image, at[a], at[b], colour, 2 * int(both) + 1)
                continue
            middle = int((xa + xb) / 2), int((ya + yb) / 2)
            axes = int(math.hypot(xa - xb, ya - yb) / 2), int(both + 1)
            corners = cv2.ellipse2Poly(middle, axes, int(math.degrees(math.atan2(ya - yb, xa - xb))), 0, 360, 1)
            after = cv2.fillConvexPoly(image.copy(), corners, colour)
            image = blended(image, after, float(np.clip(0.5 * both - 0.1, 0, 1)))
    return image[..., ::-1]


def test_another_variant_and_a_picture_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="variant"):
        draw(person(), HEIGHT, WIDTH, "slow")
    with pytest.raises(ValueError, match="picture is"):
        draw(person(), HEIGHT, WIDTH, "fast", np.zeros((WIDTH, HEIGHT, 3), np.uint8))
