"""Codings of people: as numbers, and drawn."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.codings.derived import People
from media.codings.table import coder, decode
from media.frames import decode_payload

FRAME = np.random.default_rng(1).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def people(count: int, seed: int = 0) -> People:
    rng = np.random.default_rng(seed)
    shapes = ((count, 17, 3), (count, 4), (count,), (count,))
    made = People(*(rng.uniform(1, 100, shape).astype(np.float32) for shape in shapes))
    made.keypoints[..., 2] /= 100
    return made


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_keypoints_come_back_as_they_are_for_any_number_of_people(counts: list[int]) -> None:
    made = coder("skeleton", "keypoints", {})
    numbers = np.arange(len(counts), dtype=np.int32) * 5
    for number, count in zip(numbers.tolist(), counts):
        made.add(number, people(count, number), FRAME)
    back = decode("skeleton", "keypoints", {}, made.payload(numbers[None], numbers, numbers / 10))
    for number, count in zip(numbers.tolist(), counts):
        for ours, theirs in zip(back.product(number), people(count, number)):
            assert np.array_equal(ours, theirs) and ours.dtype == np.float32 and ours.shape == theirs.shape


def test_people_may_be_a_record_or_a_tuple() -> None:
    one = people(2)
    for form in (tuple(one), SimpleNamespace(**one._asdict())):
        assert all(np.array_equal(a, b) for a, b in zip(People.of(form), one))


@pytest.mark.parametrize(("name", "under"), [("black", np.zeros_like(FRAME)), ("overlay", FRAME)])
def test_nobody_is_the_ground_alone_and_somebody_is_drawn_over_it(name: str, under: np.ndarray) -> None:
    pytest.importorskip("media.codings.skeleton_picture")
    made = coder("skeleton", name, {"codec": "png"})
    made.add(0, people(0), FRAME)
    made.add(1, people(1), FRAME)
    numbers = np.arange(2, dtype=np.int32)
    frames = decode_payload(made.payload(numbers[None], numbers, numbers / 10))
    assert np.array_equal(frames.images(0), under)
    assert (frames.images(1) != under).any()
