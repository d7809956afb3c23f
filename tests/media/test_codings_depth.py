"""Codings of depth: 16-bit PNG, float16, pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from media.codings.table import coder, decode
from media.frames import decode_payload

INDEX, NUMBERS, TIMES = np.array([[4, 6]], np.int32), np.array([4, 6], np.int32), np.array([0.5, 0.75])
DEPTHS = {n: np.random.default_rng(n).uniform(0.5, 60, (9, 14)).astype(np.float32) for n in (4, 6)}


def payload(name: str, **options: object) -> bytes:
    made = coder("depth", name, options)
    for number, depth in DEPTHS.items():
        made.add(number, depth)
    return made.payload(INDEX, NUMBERS, TIMES)


@pytest.mark.parametrize("factor", [256.0, 1000.0])
def test_grey16_comes_back_to_one_step(factor: float) -> None:
    back = decode("depth", "grey16", {"factor": factor}, payload("grey16", factor=factor))
    assert np.array_equal(back.times, TIMES)
    for number, depth in DEPTHS.items():
        lost = depth - back.product(number)
        assert lost.min() >= -1e-4 and lost.max() <= 1 / factor * (1 + 1e-2)


@given(arrays(np.float32, (2, 3), elements=st.floats(width=32)))
def test_grey16_takes_any_number(depth: np.ndarray) -> None:
    made = coder("depth", "grey16", {})
    made.add(0, depth)
    back = decode("depth", "grey16", {}, made.payload(np.zeros((1, 1), np.int32), np.zeros(1, np.int32), np.zeros(1))).product(0)
    inside = (depth >= 0) & (depth <= 65)
    assert np.abs(back - depth)[inside].max(initial=0) <= 0.0011
    assert (back[np.isnan(depth) | (depth < 0)] == 0).all() and (back[depth > 65.535] == np.float32(65.535)).all()


def test_float_gives_back_exactly_its_float16() -> None:
    back = decode("depth", "float", {}, payload("float"))
    for number, depth in DEPTHS.items():
        assert np.array_equal(back.product(number), depth.astype(np.float16).astype(np.float32))


def test_jet_is_red_where_it_is_near_and_blue_where_it_is_far() -> None:
    pytest.importorskip("media.codings.depth_colour")
    frames = decode_payload(payload("jet"))
    for number, depth in DEPTHS.items():
        near, far = (frames.images(number).reshape(-1, 3)[place] for place in (depth.argmin(), depth.argmax()))
        assert near[0] > 100 > near[2] and far[2] > 100 > far[0]
