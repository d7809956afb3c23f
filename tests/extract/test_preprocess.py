"""Frames become network input exactly as in the published feature extraction."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.backbones.inputs import input_on, network_input
from models.backbones.kinds import INPUTS, KINDS
from stages.extract import ExtractParams
from stages.extract.resize import resize
from tests.parity import where

GOLDEN = where.GOLDEN / "videoqa" / "image_preprocess.npz"


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
            got = network_input(image[None], "paper")[0][:, ::37, ::41]
            assert np.abs(got - want).max() <= 1e-6 * np.abs(want).max()
        else:
            assert np.array_equal(network_input(image[None, None], "raw255")[0, :, 0][:, ::17, ::19], want)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_the_paper_and_the_right_deviation_differ_in_blue_alone(red: int, green: int, blue: int) -> None:
    frame = np.array([red, green, blue], np.uint8).reshape(1, 1, 1, 3)
    for mode, std in (("paper", (0.229, 0.224, 0.224)), ("imagenet", (0.229, 0.224, 0.225))):
        want = ((np.array([red, green, blue]) / 255 - [0.485, 0.456, 0.406]) / std).astype(np.float32)
        got = network_input(frame, mode)
        assert got.dtype == np.float32
        assert np.array_equal(got.reshape(3), want)


def test_motion_input_is_raw_unless_the_mean_is_asked_for() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 5, 3), dtype=np.uint8)
    raw = network_input(clips, "raw255")
    assert raw.shape == (2, 3, 4, 5, 5)
    assert (raw[1, 2, 3, 0, 4], raw.dtype) == (clips[1, 3, 0, 4, 2], np.float32)
    assert np.allclose(raw - network_input(clips, "mean_subtract"), np.reshape([114.7748, 107.7354, 99.4750], (3, 1, 1, 1)), atol=1e-4)
    both_sides = network_input(clips, "symmetric")
    np.testing.assert_allclose(both_sides, network_input(clips, "raw255") / 127.5 - 1, atol=1e-6)
    scaled = network_input(clips, "kinetics2020")
    assert np.allclose(scaled[:, 0], (raw[:, 0] / 255 - 0.4345) / 0.2768, atol=1e-6)


def test_the_stage_offers_every_kind_and_every_way_of_the_table() -> None:
    """It names them itself: a declaration is of literals, so that it is keyed by its values and not as code."""
    offered = {f.name: f.metadata["choices"] for f in dataclasses.fields(ExtractParams) if f.name in ("kind", "input")}
    assert offered == {"kind": tuple(KINDS), "input": ("", *INPUTS)}


@pytest.mark.parametrize(("kind", "how"), [(kind, how) for kind in KINDS.values() for how in kind.inputs])
def test_input_made_on_a_device_is_that_made_on_the_host(kind, how: str) -> None:
    shape = (2, 4, 5, 5, kind.channels) if kind.clips else (2, 5, 5, kind.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    want = network_input(images, how)
    got = input_on("cpu:0", how, kind.channels)(images)  # any name but "cpu" takes the device's way
    assert want.shape == (2, kind.channels, *shape[1:-1])
    assert np.array_equal(got.numpy(), want) and np.array_equal(input_on("cpu", how, kind.channels)(images).numpy(), want)
    assert got.is_contiguous(memory_format=torch.channels_last_3d if kind.clips else torch.channels_last)


@pytest.mark.parametrize(("size", "levels"), [(24, 1), (61, 2)])
def test_torch_resizes_as_pil_does_to_a_level_when_shrinking_and_two_when_enlarging(size: int, levels: int) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:48, 0:60]
    frame = np.clip(np.stack([3 * rows, 4 * columns, 2 * rows + columns], axis=2) + rng.normal(0, 12, (48, 60, 3)), 0, 255).astype(np.uint8)
    off = np.abs(resize(frame, size, "torch").astype(int) - resize(frame, size, "pil"))
    assert off.max() <= levels and (off > 0).mean() < 0.02


def test_flow_is_resized_channel_by_channel() -> None:
    flow = np.random.default_rng(0).integers(0, 256, (20, 30, 2), dtype=np.uint8)
    small = resize(flow, 12)
    assert small.shape == (12, 12, 2)
    assert np.array_equal(small, resize(np.concatenate([flow, flow[..., :1]], axis=2), 12)[..., :2])
