"""The fast layouts of I3D compute what I3D computes: maps, gradients and running statistics."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from models.backbones import i3d, i3d_channels_last
from models.backbones.i3d_frozen import FrozenI3D

WANTED = ("MaxPool3d_3a_3x3", "Mixed_4f", "Mixed_5c")
#: in double precision: in single precision an entry next to 0 or to a maximum may change sides
EXACT = {"rtol": 1e-9, "atol": 1e-11}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def network(make: object, width: float = 1 / 8) -> i3d.I3D:
    torch.manual_seed(0)
    net: i3d.I3D = make(0, width=width)  # type: ignore[operator]
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            torch.nn.init.normal_(part.bias)  # a channel that is constant is then not at 0, where a ReLU's gradient jumps
    return net


def clips(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("make", [i3d.i3d, i3d.topi3d])
@pytest.mark.parametrize("shape", [(2, 3, 17, 65, 50), (1, 3, 16, 64, 64), (2, 3, 9, 33, 32)])
def test_maps_gradients_and_statistics_are_those_of_the_network(make: object, shape: tuple[int, ...]) -> None:
    plain = network(make).train()
    fast = copy.deepcopy(plain)
    ours = i3d_channels_last.maps(fast, clips(*shape), WANTED)
    theirs = plain.stages(clips(*shape))
    for name in WANTED:
        torch.testing.assert_close(ours[name], theirs[name], **EXACT)
    weights = torch.randn(theirs["Mixed_5c"].shape, generator=torch.Generator().manual_seed(2))
    for maps in (ours, theirs):
        (maps["Mixed_5c"] * weights).sum().backward()
    largest = max(float(parameter.grad.abs().max()) for parameter in plain.parameters())
    for (name, mine), other in zip(fast.named_parameters(), plain.parameters(), strict=True):
        allowed = 1e-8 * float(other.grad.abs().max()) + 1e-12 * largest  # gradients that are 0 but for rounding are there too
        torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=allowed, msg=name)
    for (name, mine), other in zip(fast.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine, other, msg=name)


def test_running_statistics_stay_where_they_are_not_tracked() -> None:
    net = network(i3d.topi3d).train()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            part.track_running_stats = False
    before = {name: value.clone() for name, value in net.named_buffers()}
    i3d_channels_last.maps(net, clips(1, 3, 16, 32, 32), ())
    assert all(torch.equal(value, before[name]) for name, value in net.named_buffers())


@pytest.mark.parametrize("make", [i3d.i3d, i3d.topi3d])
def test_a_frozen_copy_has_the_maps_of_evaluation_mode_and_stays(make: object) -> None:
    net = network(make).train()
    net.stages(clips(2, 3, 16, 64, 64))  # statistics that are not 0 and 1
    net.eval()
    frozen, expected = FrozenI3D(net), net.stages(clips(2, 3, 16, 64, 50))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    for name, found in frozen.maps(clips(2, 3, 16, 64, 50), WANTED).items():
        torch.testing.assert_close(found, expected[name].detach(), **EXACT)
        assert not found.requires_grad


def test_of_equal_entries_the_gradient_goes_to_the_first_as_in_pooling_over_clips() -> None:
    x = torch.randint(0, 3, (2, 4, 7, 9, 8), generator=torch.Generator().manual_seed(0)).double()
    for kernel, stride in (*i3d.POOLS.values(), ((3, 3, 3), (1, 1, 1)), ((1, 3, 3), (1, 1, 1))):
        gradients = []
        for pool in (i3d.max_pool, i3d_channels_last.max_pool):
            leaf = x.contiguous(memory_format=torch.channels_last_3d).requires_grad_()
            y = pool(leaf, kernel, stride)
            weights = torch.arange(1.0, y.numel() + 1).reshape(y.shape)
            gradients.append((y.detach(), *torch.autograd.grad((y * weights).sum(), leaf)))
        torch.testing.assert_close(gradients[1][0], gradients[0][0])
        positive = x > 0  # what a zero beyond the border may win from a zero inside, the ReLU before takes anyway
        torch.testing.assert_close(gradients[1][1][positive], gradients[0][1][positive])
