"""Payloads of named arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cache.pack import pack, parts_of, unpack

ARRAYS = hnp.arrays(
    dtype=st.sampled_from(["<i4", "<i8", "<f4", "<f8", "|u1", "|b1"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4))
def test_arrays_come_back_as_they_were(arrays: dict) -> None:
    back = unpack(pack(arrays))
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_the_bytes_do_not_depend_on_the_order_of_names() -> None:
    a, b = np.arange(3), np.ones(2)
    assert pack({"a": a, "b": b}) == pack({"b": b, "a": a})


def test_arrays_lie_one_behind_the_other_by_name() -> None:
    first, second = np.arange(5, dtype="<i2"), np.arange(3, dtype="|u1")
    payload = pack({"b": second, "a": first})
    entries, body = parts_of(payload)
    assert bytes(body) == first.tobytes() + second.tobytes()
    assert [(name, entry.shape, entry.offset, entry.length) for name, entry in entries] == [("a", (5,), 0, 10), ("b", (3,), 10, 3)]


def test_a_header_that_was_seen_before_says_nothing_about_the_body() -> None:
    whole = pack({"a": np.arange(5)})
    assert unpack(whole)["a"].tolist() == [0, 1, 2, 3, 4]
    assert unpack(pack({"a": np.arange(5, 10)}))["a"].tolist() == [5, 6, 7, 8, 9]
    with pytest.raises(ValueError, match="past the end"):
        unpack(whole[:-1])


def test_a_payload_cut_short_is_an_error() -> None:
    payload = pack({"a": np.arange(5)})
    for cut in (1, 8, len(payload) - 4):
        with pytest.raises(ValueError):
            unpack(payload[:-cut])


def test_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="Python objects"):
        pack({"a": np.array([{}])})
