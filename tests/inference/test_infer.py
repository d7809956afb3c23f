"""Any frozen network over any items: the same outputs whatever the company and the threads, in the order of the jobs."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from models.inference.batches import Item
from models.inference.infer import Plan, Whole, infer

ROWS = {f"item {n}": np.random.default_rng(n).random((1 + n % 4, 3, 12, 12), np.float32) for n in range(7)}


def network() -> nn.Module:
    """Frames to maps of one number a pixel, as a network of depth has them."""
    torch.manual_seed(0)
    return Whole(nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))).requires_grad_(False).eval()


def load(id: str) -> Item:
    return Item(id, len(ROWS[id]), ROWS[id])


@pytest.mark.parametrize("lanes", [1, 3])
def test_outputs_are_the_networks_and_do_not_depend_on_company_order_or_threads(lanes: int) -> None:
    before, plan = torch.get_num_threads(), Plan("cpu", 4, lanes, lanes)
    found = list(infer(network(), ROWS, load, plan))
    assert [id for id, _ in found] == list(ROWS)
    backwards = dict(infer(network(), reversed(ROWS), load, plan))
    for id, rows in found:
        with torch.inference_mode():
            want = network().feature(torch.from_numpy(ROWS[id])).numpy()
        assert rows.shape == (len(ROWS[id]), 1, 12, 12)
        np.testing.assert_allclose(rows, want, atol=1e-6)
        assert np.array_equal(rows, backwards[id])
        (alone,) = infer(network(), [id], load, Plan("cpu", 4, 1, 1))
        assert np.array_equal(rows, alone[1])
    assert torch.get_num_threads() == before


def test_an_error_while_reading_ends_it_and_leaves_no_thread_behind() -> None:
    def broken(id: str) -> Item:
        if id == "item 5":
            raise OSError("cannot be read")
        return load(id)

    done = []
    with pytest.raises(OSError, match="cannot be read"):
        done.extend(id for id, _ in infer(network(), ROWS, broken, Plan("cpu", 4, 2, 2)))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("infer")]


def test_a_gpu_gets_large_batches_and_two_lanes() -> None:
    assert (Plan.of("cpu", 8, clips=True).rows, Plan.of("cpu", 8, clips=True).lanes) == (4, 8)
    images, clips = Plan.of("cuda", 8, clips=False), Plan.of("cuda", 8, clips=True)
    assert (images.rows, clips.rows, images.lanes, clips.readers) == (128, 32, 2, 8)
