"""Episodes are pure functions; missing videos cost themselves and shift nothing."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations

import pytest

from cache.errors import ConfigError, DataError
from systems.litemkd.draws import EPISODE, FRAMES, Draws
from systems.litemkd.episodes import Pool, Shape, pool
from systems.litemkd.videos import Video

LISTED = [(f"class{c:02d}", f"clip{v:02d}") for c in range(8) for v in range(10)]
SHAPE = Shape(way=4, shot=3, queries=2)


def drawn(without: set[tuple[str, str]] = frozenset(), shape: Shape = SHAPE) -> Pool:
    return pool(LISTED, set(LISTED) - without, shape)


def test_an_episode_has_the_shape_that_was_asked_for() -> None:
    for index in range(50):
        episode = drawn().episode(0, index)
        assert len(set(episode.classes)) == 4
        assert Counter(episode.support_labels) == dict.fromkeys(range(4), 3)
        assert Counter(episode.query_labels) == dict.fromkeys(range(4), 2)
        assert len({*episode.support, *episode.query}) == 20


def test_every_clip_has_the_label_of_its_class() -> None:
    episode = drawn().episode(3, 7)
    for videos, labels in ((episode.support, episode.support_labels), (episode.query, episode.query_labels)):
        assert [episode.classes.index(video.label) for video in videos] == list(labels)


def test_an_episode_depends_on_seed_and_number_alone() -> None:
    shuffled = random.Random(0).sample(LISTED, len(LISTED))
    again = pool(shuffled, set(LISTED), SHAPE)
    later = [again.episode(1, index) for index in (9, 2, 5)]
    assert later == [drawn().episode(1, index) for index in (9, 2, 5)]
    assert drawn().episode(1, 2) != drawn().episode(2, 2) != drawn().episode(2, 3)


def test_missing_videos_are_told_and_never_drawn() -> None:
    gone = {("class03", "clip04"), ("class05", "clip00")}
    found = drawn(gone)
    assert found.missing == tuple(Video(*video) for video in sorted(gone))
    assert all(not gone & {*episode.support, *episode.query} for episode in (found.episode(0, index) for index in range(100)))


def test_a_class_with_too_few_videos_is_left_out_and_told() -> None:
    found = drawn({("class02", f"clip{number:02d}") for number in range(6)})
    assert found.small == ("class02",)
    assert all("class02" not in found.episode(0, index).classes for index in range(50))


def test_too_few_classes_are_an_error_that_counts_the_missing() -> None:
    with pytest.raises(DataError, match=r"0 of 8 classes have the 5 videos .* \(80 listed videos are missing\)"):
        pool(LISTED, set(), SHAPE)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 0, 1), (5, 1, 0)])
def test_an_episode_that_is_none_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="at least 2, 1 and 1"):
        Shape(*shape)


def test_classes_are_drawn_evenly() -> None:
    counts = Counter(label for index in range(2000) for label in drawn().episode(0, index).classes)
    assert len(counts) == 8 and all(abs(count - 1000) < 130 for count in counts.values())


def test_a_sample_has_no_repeats_and_every_order_comes() -> None:
    draws = Draws(0, 0, EPISODE)
    assert sorted(draws.sample(300, 300)) == list(range(300))
    assert {tuple(draws.sample(3, 3)) for _ in range(200)} == set(permutations(range(3)))
    with pytest.raises(ValueError, match="4 of 3"):
        draws.sample(3, 4)


def test_integers_reach_both_ends_and_streams_differ() -> None:
    draws = Draws(0, 0, FRAMES)
    assert {draws.randint(2, 5) for _ in range(200)} == {2, 3, 4, 5}
    streams = (Draws(0, 0, FRAMES), Draws(0, 0, FRAMES, 1), Draws(0, 1, FRAMES), Draws(1, 0, FRAMES), Draws(0, 0, EPISODE))
    assert len({stream.random() for stream in streams}) == 5
