"""FastPose and its flip test."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cache.errors import DataError
from models.backbones.published import load_into
from models.experts.fastpose import FastPose, options_of
from models.experts.flip_test import SWAP, FlipTest, moved
from models.inference.runtimes.eager import prepare


@pytest.mark.parametrize(("joints", "width", "parameters"), [(17, 128, 40_577_745), (26, 128, 40_588_122)])
def test_it_has_the_published_entries(joints: int, width: int, parameters: int) -> None:
    with torch.device("meta"):
        net = FastPose(joints, width)
    state = net.state_dict()
    assert (len(state), sum(p.numel() for p in net.parameters())) == (348, parameters)
    assert options_of(state) == {"joints": joints, "width": width}
    assert state["preact.layer3.0.se.fc.2.weight"].shape == (1024, 1024)
    assert "preact.layer3.1.se.fc.2.weight" not in state


def test_a_file_of_another_network_is_refused() -> None:
    with torch.device("meta"):
        net, state = FastPose(), dict(FastPose().state_dict())
    del state["duc1.conv.weight"]
    with pytest.raises(DataError, match=r"duc1\.conv\.weight"):
        load_into(net, state, "fast_res50_256x192.pth")


def test_left_and_right_change_places_and_the_maps_move_by_a_column() -> None:
    maps = torch.arange(17 * 2 * 4.0).reshape(1, 17, 2, 4)
    out = moved(maps)
    for joint, other in enumerate(SWAP):
        assert SWAP[other] == joint
        assert out[0, joint, 0].tolist() == maps[0, other, 0, [3, 3, 2, 1]].tolist()


def test_packed_and_folded_it_says_the_same_with_and_without_the_flip_test() -> None:
    torch.manual_seed(0)
    net = FastPose(26).eval().requires_grad_(False)
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        for tapped in (net, FlipTest(net)):
            want = tapped.feature(x)
            assert want.shape == (2, 17, 16, 16)
            got = prepare(tapped, x, "float32", 1)(x)
            assert (got - want).abs().max() <= 1e-4 * want.abs().max()
        plain = net.feature(x)
        both = (plain + moved(net.feature(x.flip(3)))) / 2
        np.testing.assert_allclose(FlipTest(net).feature(x), both, atol=1e-5)
