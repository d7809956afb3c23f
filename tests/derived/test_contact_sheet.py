"""The page of what was derived."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cache.errors import KdpipeError
from pipeline.contact_sheet import GAP, LINE, PALE, contact_sheet
from pipeline.derived import Derivation
from tests.derived.conftest import frame

Make = Callable[..., Derivation]


def cell(path: Path, row: int, column: int) -> np.ndarray:
    with Image.open(path) as image:
        page = np.asarray(image.convert("RGB"))
    left, top = GAP + column * (240 + GAP), 3 * LINE + row * (180 + LINE + GAP)
    return page[top : top + 180, left : left + 240]


@pytest.mark.parametrize("coding", ["wheel", "xy", "float"])
def test_a_row_shows_a_frame_and_its_flow_whatever_the_coding_and_says_what_is_missing(tmp_path: Path, derived: Make, coding: str) -> None:
    path = tmp_path / "sheet.png"
    found = derived("flow", coding)
    assert contact_sheet(path, {"derive.flow": found}, ["derive.depth"], videos=2) == 2
    shown = np.asarray(Image.fromarray(frame("v_Surfing_g01_c01", 2)).resize((240, 180), Image.Resampling.BICUBIC))
    assert np.abs(cell(path, 0, 0).astype(int) - shown).max() <= 1
    drawn = np.asarray(Image.fromarray(found.pictures(found.rows[0])(2)).resize((240, 180), Image.Resampling.BICUBIC))
    assert np.array_equal(cell(path, 0, 1), drawn)
    for column in (2, 3):  # depth was not derived, skeleton has no node
        assert (cell(path, 0, column)[-20:] == PALE).all()


def test_every_modality_is_shown_whatever_its_coding(tmp_path: Path, derived: Make) -> None:
    pytest.importorskip("media.codings.depth_colour")
    pytest.importorskip("media.codings.skeleton_picture")
    for flow, depth, skeleton in (("wheel", "jet", "black"), ("xy", "grey16", "keypoints"), ("float", "float", "overlay")):
        made = {f"derive.{kind}": derived(kind, coding) for kind, coding in (("flow", flow), ("depth", depth), ("skeleton", skeleton))}
        path = tmp_path / f"{flow}.png"
        assert contact_sheet(path, made, []) == 3
        near, far = cell(path, 0, 2)[90, 3], cell(path, 0, 2)[90, -4]  # depth grows to the right
        assert near[0] > near[2] and far[2] > far[0]
        assert cell(path, 0, 3).any()  # the frame in the middle shows two people


def test_a_page_of_nothing_and_an_unknown_ending_are_errors(tmp_path: Path, derived: Make) -> None:
    with pytest.raises(KdpipeError, match=r"nothing was derived yet\n  kdpipe run derive\.flow"):
        contact_sheet(tmp_path / "a.png", {}, ["derive.flow"])
    with pytest.raises(KdpipeError, match="no picture is called so"):
        contact_sheet(tmp_path / "a.docx", {"derive.flow": derived("flow", "wheel")}, [])


def test_poses_that_were_looked_up_by_the_id_stand_beside_their_frames(tmp_path: Path, derived: Make) -> None:
    found = derived("skeleton", "keypoints", by_id=True)
    assert contact_sheet(tmp_path / "sheet.png", {"derive.skeleton": found}, []) == 3
    assert np.array_equal(found.frames(found.rows[0]).images(2), frame(found.rows[0]["id"], 2))
