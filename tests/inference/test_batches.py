"""Batches across items: every row once, in its item's place, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inference.batches import Batches, Item


def item(number: int, count: int) -> Item:
    """Rows whose values name item and row."""
    return Item(f"item {number}", count, (np.array([number, row], np.uint8) for row in range(count)))


@given(st.lists(st.integers(1, 9), min_size=0, max_size=7), st.integers(1, 6))
def test_every_item_gets_its_own_rows(counts: list[int], size: int) -> None:
    batches, shapes, used = Batches(size), set(), 0

    def network():
        nonlocal used
        for batch in batches.cut(item(n, count) for n, count in enumerate(counts)):
            shapes.add(batch.inputs.shape)
            used += batch.used
            yield batch.inputs[: batch.used].astype(np.float32)  # the names of what was seen are the outputs

    rows = dict(batches.join(network()))
    assert list(rows) == [f"item {n}" for n in range(len(counts))]
    assert shapes <= {(size, 2)} and used == sum(counts)
    for n, count in enumerate(counts):
        assert np.array_equal(rows[f"item {n}"], [[n, row] for row in range(count)])


@pytest.mark.parametrize("type_", [np.uint8, np.float32])
def test_only_the_last_batch_is_filled_up(type_: type) -> None:
    rows = [np.array([n], type_) for n in range(6)]
    cut = list(Batches(4).cut([Item("a", 3, rows[:3]), Item("b", 3, rows[3:])]))
    assert [batch.used for batch in cut] == [4, 2]
    assert cut[0].inputs.dtype == type_
    assert np.array_equal(cut[1].inputs[2:], cut[1].inputs[[0, 0]])
