"""Frames become network input exactly as in the published feature extraction."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.extract.preprocess import appearance_input, motion_input, resize

GOLDEN = Path(os.environ.get("KDPIPE_GOLDEN", Path(__file__).parents[3] / "shared" / "golden")) / "videoqa" / "image_preprocess.npz"


def test_resize_and_normalisation_agree_with_the_golden_numbers() -> None:
    if not GOLDEN.is_file():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    arrays = np.load(GOLDEN)
    names = json.loads(GOLDEN.with_suffix(".json").read_text())["outputs"]
    for name in names:
        kind, frame, size, *_ = name.split("_")
        image = resize(arrays[f"in.frame_{frame}"], int(size))
        want = arrays[f"out.{name}"]
        if kind == "resized":
            assert np.array_equal(image.transpose(2, 0, 1), want)
        elif kind == "normalised":
            got = appearance_input(image[None])[0][:, ::37, ::41]
            assert np.abs(got - want).max() <= 1e-6 * np.abs(want).max()
        else:
            assert np.array_equal(motion_input(image[None, None])[0, :, 0][:, ::17, ::19], want)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_the_paper_and_the_right_deviation_differ_in_blue_alone(red: int, green: int, blue: int) -> None:
    frame = np.array([red, green, blue], np.uint8).reshape(1, 1, 1, 3)
    for mode, std in (("paper", (0.229, 0.224, 0.224)), ("imagenet", (0.229, 0.224, 0.225))):
        want = ((np.array([red, green, blue]) / 255 - [0.485, 0.456, 0.406]) / std).astype(np.float32)
        got = appearance_input(frame, mode)
        assert got.dtype == np.float32
        assert np.array_equal(got.reshape(3), want)


def test_motion_input_is_raw_unless_the_mean_is_asked_for() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 5, 3), dtype=np.uint8)
    raw = motion_input(clips)
    assert raw.shape == (2, 3, 4, 5, 5)
    assert (raw[1, 2, 3, 0, 4], raw.dtype) == (clips[1, 3, 0, 4, 2], np.float32)
    assert np.allclose(raw - motion_input(clips, "mean_subtract"), np.reshape([114.7748, 107.7354, 99.4750], (3, 1, 1, 1)), atol=1e-4)
    both_sides = motion_input(clips, "symmetric")
    np.testing.assert_allclose(both_sides, motion_input(clips) / 127.5 - 1, atol=1e-6)
    scaled = motion_input(clips, "kinetics2020")
    assert np.allclose(scaled[:, 0], (raw[:, 0] / 255 - 0.4345) / 0.2768, atol=1e-6)
