"""Codings of flow: colours, 8 bits, float16; there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cache.errors import DataError
from media.codings.flow_wheel import UNKNOWN, colours, wheel
from media.codings.quantise import RULES, ZERO, pixels, quantise
from media.codings.table import coder, decode
from media.frames import decode_payload

RNG = np.random.default_rng(0)
INDEX = np.array([[0, 3], [3, 7]], np.int32)
NUMBERS = np.array([0, 3, 7], np.int32)
TIMES = np.array([0.0, 0.1, 0.25])
FLOWS = {int(n): RNG.normal(0, 9, (11, 17, 2)).astype(np.float32) for n in NUMBERS}
SIDES = st.floats(-60, 60, width=32)


def payload(name: str, **options: object) -> bytes:
    made = coder("flow", name, {"codec": "png", **options})
    for number in (7, 0, 3):
        made.add(number, FLOWS[number])
    return made.payload(INDEX, NUMBERS, TIMES)


@given(arrays(np.float32, (3, 4, 2), elements=SIDES), st.sampled_from(sorted(RULES)), st.sampled_from([1.0, 15.0, 20.0, 32.0]))
def test_codes_come_back_within_a_255th_of_the_bound(flow: np.ndarray, rule: str, bound: float) -> None:
    codes = quantise(flow, rule, bound)
    assert codes.dtype == np.uint8
    assert np.abs(pixels(codes, rule, bound) - np.clip(flow, -bound, bound)).max() <= bound / 255 * (1 + 1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_no_motion_has_the_code_that_the_table_says_and_nan_is_no_motion(rule: str) -> None:
    assert (quantise(np.array([0.0, np.nan], np.float32), rule, 20.0) == ZERO[rule]).all()
    assert quantise(np.array([-1e9, -20, 20, np.inf], np.float32), rule, 20.0).tolist() == [0, 0, 255, 255]


def test_the_three_rules_differ_where_the_specification_says() -> None:
    at_bound = np.array([20.0], np.float32)
    assert RULES["i3d"](at_bound, 20.0).tolist() == [256.0]
    halves = np.array([-127, -126, 0], np.float32)  # of a bound where a step is one pixel
    assert RULES["denseflow"](halves, 127.5).tolist() == [0, 2, 128]
    assert RULES["mmaction"](halves, 127.5).tolist() == [0, 1, 127]


@pytest.mark.parametrize("rule", RULES)
def test_xy_is_two_grey_pictures_that_any_reader_of_frames_reads(rule: str) -> None:
    data = payload("xy", rule=rule, bound=15.0)
    frames = decode_payload(data)
    for number, flow in FLOWS.items():
        assert np.array_equal(frames.images(number), quantise(flow, rule, 15.0))
        assert [still[:4] for still in frames.coded(number)] == [b"\x89PNG"] * 2
    back = decode("flow", "xy", {"rule": rule, "bound": 15.0}, data)
    assert np.array_equal(back.index, INDEX) and np.array_equal(back.numbers, NUMBERS) and np.array_equal(back.times, TIMES)
    assert np.abs(back.product(3) - np.clip(FLOWS[3], -15, 15)).max() <= 15 / 255 * (1 + 1e-4)


def test_xy_as_jpeg_is_jpeg() -> None:
    frames = decode_payload(payload("xy", codec="jpeg"))
    assert [still[:2] for still in frames.coded(7)] == [b"\xff\xd8"] * 2
    assert frames.images(7).shape == (11, 17, 2)


def test_float_gives_back_exactly_its_float16() -> None:
    back = decode("flow", "float", {}, payload("float"))
    for number, flow in FLOWS.items():
        assert back.product(number).dtype == np.float32
        assert np.array_equal(back.product(number), flow.astype(np.float16).astype(np.float32))


def test_float_keeps_pictures_of_several_sizes_and_huge_values_finite() -> None:
    made = coder("flow", "float", {})
    made.add(1, np.full((2, 3, 2), 1e9, np.float32))
    made.add(0, np.ones((4, 5, 2), np.float32))
    back = decode("flow", "float", {}, made.payload(np.array([[0, 1]], np.int32), np.array([0, 1], np.int32), np.zeros(2)))
    assert (back.product(0) == np.ones((4, 5, 2))).all() and (back.product(1) == np.full((2, 3, 2), 65504)).all()


def test_wheel_is_pictures_of_the_colours() -> None:
    frames = decode_payload(payload("wheel"))
    for number, flow in FLOWS.items():
        assert np.array_equal(frames.images(number), colours(flow))


def test_no_motion_is_white_unless_the_original_is_asked_for() -> None:
    still = np.zeros((3, 4, 2), np.float32)
    assert (colours(still) == 255).all() and (colours(still, zero="black") == 0).all()


def test_flow_is_not_changed_by_looking_at_it() -> None:
    for shape in ((1, 1, 2), (1, 4, 2), (5, 3, 2)):
        flow = np.full(shape, np.nan, np.float32)
        colours(flow)
        assert np.isnan(flow).all()


def test_directions_have_the_colours_of_the_wheel_and_unknown_is_black() -> None:
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, 0], flow[0, 1], flow[0, 2] = (0.999, 0), (np.nan, 1), (UNKNOWN * 2, 0)
    flow[0, 3] = (0, 1)
    picture = colours(flow)
    assert picture[0, 0].tolist()[0] == 255 and picture[0, 0].max() - picture[0, 0].min() > 250  # to the right: red
    assert (picture[0, 1] == 0).all() and (picture[0, 2] == 0).all()
    assert len({tuple(row) for row in wheel().tolist()}) == len(wheel()) == 55


def test_a_large_picture_is_painted_as_its_parts_are() -> None:
    flow = RNG.normal(0, 3, (300, 200, 2)).astype(np.float32)
    flow[::100, 0] = (30, 0)  # the longest of every part
    assert np.array_equal(colours(flow), np.concatenate([colours(part) for part in np.split(flow, 3)]))


@given(arrays(np.float32, (3, 4, 2), elements=SIDES), st.integers(1, 6))
def test_colours_do_not_depend_on_the_scale_of_a_picture(flow: np.ndarray, power: int) -> None:
    assert np.array_equal(colours(flow), colours(flow * np.float32(2**power)))


def test_a_frame_that_was_not_added_is_named() -> None:
    made = coder("flow", "wheel", {})
    made.add(0, FLOWS[0])
    with pytest.raises(ValueError, match="frame 3 was not added"):
        made.payload(INDEX, NUMBERS, TIMES)


@pytest.mark.parametrize("name", ["wheel", "xy", "float"])
def test_damaged_and_foreign_payloads_are_refused(name: str) -> None:
    with pytest.raises(DataError):
        decode("flow", name, {}, b"")
    with pytest.raises(DataError, match=r"no pictures|another coding"):
        decode("flow", name, {}, payload("wheel" if name == "float" else "float"))
