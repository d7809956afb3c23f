"""A clip is the same pictures wherever and whenever it is taken; short videos begin again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from models.training.crops import At
from systems.gkd.recognition.sampling import picture_numbers

ats = st.none() | st.builds(At, st.integers(0, 9), st.integers(0, 99), st.integers(0, 10**6), st.just(0))


@given(st.integers(1, 300), st.integers(1, 80), ats)
def test_a_clip_is_consecutive_pictures_that_are_there(count: int, frames: int, at: At | None) -> None:
    numbers = picture_numbers(count, frames, at)
    assert len(numbers) == frames
    assert all(following == number % count + 1 for number, following in itertools.pairwise(numbers))
    assert set(numbers) <= set(range(1, count + 1))


@pytest.mark.parametrize(
    ("count", "first", "last"),
    [(131, 34, 97), (130, 34, 97), (65, 1, 64), (66, 2, 65), (64, 1, 64), (63, 1, 1), (2, 1, 2), (1, 1, 1)],
)
def test_the_clip_in_the_middle(count: int, first: int, last: int) -> None:
    numbers = picture_numbers(count)
    assert (numbers[0], numbers[-1]) == (first, last)


def test_training_reaches_every_beginning_and_never_the_last_picture() -> None:
    firsts = {picture_numbers(70, at=At(0, epoch, 5))[0] for epoch in range(200)}
    assert firsts == set(range(1, 7))  # offsets 0..5; with 6 the clip would end in picture 70


def test_a_video_without_pictures_is_refused() -> None:
    with pytest.raises(DataError, match="without pictures"):
        picture_numbers(0)
