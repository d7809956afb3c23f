"""Names of videos and classes as parts of a path: official ones as they are, harmful ones escaped, and never two in one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import KdpipeError
from formats.official_names import part, parts


@pytest.mark.parametrize(
    "name", ["v_ApplyEyeMakeup_g08_c01", "#20_Rhythm_clap_u_nm_np1_fr_goo_0", "April_09_brush_hair_u_nm_np1_ba_goo_0", "(HQ)_a&b!"]
)
def test_official_names_stay_as_they_are(name: str) -> None:
    assert part(name) == name


def test_blanks_become_underscores_as_lists_have_them() -> None:
    assert part("blasting sand") == "blasting_sand"


@given(st.text(min_size=1))
def test_any_name_becomes_one_harmless_part(name: str) -> None:
    made = part(name)
    assert made and made not in (".", "..") and made[0] not in ".-" and not set(made) & set("/\\\0\n ") and len(made.encode()) <= 255


@pytest.mark.parametrize("names", [["a b", "a_b"], ["Kick", "kick"]])
def test_two_names_in_one_place_are_refused(names: list[str]) -> None:
    with pytest.raises(KdpipeError, match="would be one folder"):
        parts(names)
    assert parts([names[0], names[0], "c"]) == {names[0]: part(names[0]), "c": "c"}
