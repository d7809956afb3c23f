"""Which frames a student sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import ConfigError
from systems.fewerframes.frames import RULES, authors_length, effective, select, with_replacement

EXACT = [rule for rule in RULES if rule != "steps"]


@pytest.mark.parametrize(
    ("rule", "k", "frames", "rows"),
    [
        ("uniform", 4, 10, [0, 2, 5, 7]),
        ("first", 3, 10, [0, 1, 2]),
        ("middle", 3, 10, [3, 4, 5]),
        ("last", 3, 10, [7, 8, 9]),
        ("first-middle-last", 6, 20, [0, 1, 9, 10, 18, 19]),
        ("first-middle-last", 7, 20, [0, 1, 2, 9, 10, 18, 19]),
        ("first-middle-last", 8, 20, [0, 1, 2, 8, 9, 10, 18, 19]),
        ("first-middle-last", 4, 4, [0, 1, 2, 3]),
    ],
)
def test_rules_choose_these_real_frames(rule: str, k: int, frames: int, rows: list[int]) -> None:
    kept = select(rule, k, frames)
    assert kept.rows.tolist() == rows and kept.present.all()


@given(st.sampled_from(EXACT), st.integers(1, 60), st.integers(0, 310))
def test_on_the_real_grid_k_different_real_frames_are_kept_or_all_there_are(rule: str, k: int, frames: int) -> None:
    kept = select(rule, k, frames, id="Qk1d")
    real = kept.rows[kept.present]
    assert len(kept.rows) == k and len(real) == min(k, frames)
    assert (np.diff(real) > 0).all() and (real < max(frames, 1)).all()


@given(st.sampled_from(EXACT), st.integers(1, 60), st.integers(0, 310))
def test_on_the_padded_grid_the_rows_do_not_depend_on_the_length_but_their_presence_does(rule: str, k: int, frames: int) -> None:
    kept, full = (select(rule, k, n, grid="padded", id="Qk1d") for n in (frames, 300))
    assert np.array_equal(kept.rows, full.rows) and full.present.all()
    assert np.array_equal(kept.present, kept.rows < frames)


def test_the_last_frames_of_the_padded_grid_are_padding_for_a_short_video() -> None:
    assert not select("last", 30, 200, grid="padded").present.any()
    assert select("last", 30, 200, grid="real").present.all()


def test_a_short_video_loses_frames_to_the_published_rule() -> None:
    assert select("steps", 6, 120, grid="padded").present.sum() == 3
    assert select("uniform", 6, 120, grid="real").present.sum() == 6


@pytest.mark.parametrize(("k", "kept"), [(6, 6), (7, 8), (45, 50), (151, 300)])
def test_the_published_rule_says_how_many_it_really_keeps(k: int, kept: int) -> None:
    assert effective("steps", k) == kept == len(select("steps", k, 300, grid="padded").rows)


def test_random_frames_depend_on_the_video_and_the_seed_and_on_nothing_else() -> None:
    one, again = (select("random", 6, 100, id="Qk1d", seed=1).rows for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, select("random", 6, 100, id="z0Zz", seed=1).rows)
    assert not np.array_equal(one, select("random", 6, 100, id="Qk1d", seed=2).rows)


def test_a_video_shorter_than_the_step_has_length_zero_for_the_authors_student() -> None:
    assert authors_length([9, 10, 300], 10).tolist() == [0, 1, 30]


def test_frames_drawn_with_replacement_are_real() -> None:
    rows = with_replacement(np.random.default_rng(0).random((3, 500)), [1, 7, 300])
    assert (rows.max(1) == [0, 6, 299]).all() and rows.min() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unifrom", 6, 100), "uniform"),
        (("uniform", 0, 100), "between 1 and 300"),
        (("uniform", 301, 100), "between 1 and 300"),
        (("steps", 6, 100), "padded grid"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused_with_what_could(arguments: tuple[str, int, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(*arguments)


def test_an_unknown_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="padded"):
        select("uniform", 6, 100, grid="paded")
