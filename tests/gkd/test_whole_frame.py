"""Windows over all of a frame, as products of matrices: what PyTorch's convolutions say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from systems.gkd.whole_frame import FromPoints, ToPoints

BATCH, CHANNELS, OUTPUTS, STEPS, SIZE = 2, 6, 5, 3, 4


def agree(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """The same state names, output and gradients in double precision."""
    theirs.load_state_dict(ours.state_dict())
    found = []
    for module in (ours, theirs):
        given = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        y = module(given)
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
        found.append([y, given.grad, *(parameter.grad for parameter in module.parameters())])
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_maps_to_points(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    x = torch.randn(BATCH, CHANNELS, STEPS, SIZE, SIZE, dtype=torch.float64).contiguous(memory_format=layout)
    agree(ToPoints(CHANNELS, OUTPUTS, SIZE).double(), nn.Conv3d(CHANNELS, OUTPUTS, (1, SIZE, SIZE)).double(), x)


def test_points_to_maps() -> None:
    torch.manual_seed(0)
    x = torch.randn(BATCH, CHANNELS, STEPS, 1, 1, dtype=torch.float64)
    agree(FromPoints(CHANNELS, OUTPUTS, SIZE).double(), nn.ConvTranspose3d(CHANNELS, OUTPUTS, (1, SIZE, SIZE)).double(), x)


def test_neither_is_convolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Tensor:
        raise AssertionError("a convolution")

    for kind in (nn.Conv3d, nn.ConvTranspose3d):
        monkeypatch.setattr(kind, "forward", refused)
    points = ToPoints(CHANNELS, OUTPUTS, SIZE)(torch.zeros(BATCH, CHANNELS, STEPS, SIZE, SIZE))
    assert FromPoints(OUTPUTS, CHANNELS, SIZE)(points).shape == (BATCH, CHANNELS, STEPS, SIZE, SIZE)


def test_a_map_in_the_place_of_points_is_convolved() -> None:
    torch.manual_seed(0)
    x = torch.randn(BATCH, CHANNELS, STEPS, 2, 3, dtype=torch.float64)
    agree(FromPoints(CHANNELS, OUTPUTS, SIZE).double(), nn.ConvTranspose3d(CHANNELS, OUTPUTS, (1, SIZE, SIZE)).double(), x)


def test_a_larger_map_is_convolved() -> None:
    torch.manual_seed(0)
    x = torch.randn(BATCH, CHANNELS, STEPS, SIZE + 2, SIZE + 1, dtype=torch.float64)
    net = ToPoints(CHANNELS, OUTPUTS, SIZE).double()
    assert net(x).shape == (BATCH, OUTPUTS, STEPS, 3, 2)
    agree(net, nn.Conv3d(CHANNELS, OUTPUTS, (1, SIZE, SIZE)).double(), x)


def test_a_map_of_another_number_of_channels_is_refused() -> None:
    with pytest.raises(RuntimeError):
        ToPoints(CHANNELS, OUTPUTS, SIZE)(torch.zeros(BATCH, CHANNELS + 1, STEPS, SIZE, SIZE))
