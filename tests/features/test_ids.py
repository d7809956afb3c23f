"""Which row is which video: by rules that are written down, never by guessing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError, some
from stages.imported.ids import match

TEXTS = st.lists(st.text(min_size=1, max_size=4), unique=True, min_size=1, max_size=8)


@given(TEXTS, TEXTS)
def test_every_id_of_both_sides_is_accounted_for_once(found: list[str], wanted: list[str]) -> None:
    try:
        result = match(found, wanted, "exact")
    except DataError:
        assert not set(found) & set(wanted)
        return
    assert list(result.rows) == [id for id in wanted if id in found]
    assert all(found[row] == id for id, row in result.rows.items())
    assert sorted([*result.rows, *result.missing]) == sorted(wanted)
    assert sorted([*result.rows, *result.unexpected]) == sorted(found)


@pytest.mark.parametrize(
    ("found", "wanted", "rule"),
    [
        (["2", "1"], ["1", "2"], "exact"),
        (["video2", "video1"], ["1", "2"], "prefix"),
        (["vid2", "1"], ["1", "2"], "prefix"),
        (["video2", "video1"], ["video1", "video2"], "exact"),
        (["%41%2Fb"], ["A/b"], "escaped"),
    ],
)
def test_the_rule_that_fits_most_videos_is_taken(found: list[str], wanted: list[str], rule: str) -> None:
    result = match(found, wanted)
    assert result.rule == rule and not result.missing


@pytest.mark.parametrize("id", ["video01", "Video1", "clip1", "video", "video1.mp4", "0", "2"])
def test_other_spellings_are_not_guessed(id: str) -> None:
    assert match([id, "1"], ["1"]).unexpected == (id,)


def test_ids_that_are_one_off_are_not_shifted() -> None:
    result = match(["0", "1", "2"], ["1", "2", "3"])
    assert (result.rows, result.missing, result.unexpected) == ({"1": 1, "2": 2}, ("3",), ("0",))


def test_a_named_rule_is_the_only_one_tried() -> None:
    with pytest.raises(DataError, match="not one of its 1 ids"):
        match(["video1"], ["1"], "exact")


def test_long_lists_are_shown_shortly() -> None:
    assert some(["a", "b"]) == "a, b" and some([*"abcdefg"]) == "a, b, c, d, e … and 2 more"
