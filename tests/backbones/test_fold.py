"""Folded batch normalisation computes the same features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.backbones.fold import fold_batch_norm
from models.backbones.registry import BACKBONES, Backbone, build
from tests.parity.fill import scaled
from tests.parity.undrawn import undrawn

#: One network of each block; the others of their families are only deeper or wider, and run with the long tests, in single precision.
BLOCKS = ("small2d", "small3d", "resnet18", "resnet50", "mobilenet_v3_small", "mobilenet_v3_large", "resnet18_3d", "r3d18", "r2p1d18")
FAST = (*BLOCKS, "i3d", "topi3d_flow")
#: a prime, so that no two filters of a layer are the same
NUMBERS = 65_521


def filled(entry: Backbone) -> nn.Module:
    """The network with numbers in every entry, the statistics too, that keep activations in range.

    They repeat after :data:`NUMBERS` entries: to draw them all takes longer than what is tested.
    """
    with undrawn():
        net = build(entry.name, **({"sample_size": 32, "sample_duration": 16} if entry.window else {}))
    drawn = np.random.default_rng(1).standard_normal(NUMBERS)
    for place, (name, value) in enumerate(net.state_dict().items()):
        if value.is_floating_point():
            numbers = torch.from_numpy(scaled(np.roll(drawn, 1009 * place), name.rpartition(".")[2], value.shape))
            for some in value.view(-1).split(NUMBERS):
                some.copy_(numbers[: len(some)])
    return net.eval()


def clip(entry: Backbone) -> torch.Tensor:
    size = 112 if entry.name.startswith("small") else 40 if entry.frames == 1 else 32
    shape = (2, entry.channels, size, size) if entry.frames == 1 else (1, entry.channels, 16, size, size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.long) for name in BACKBONES])
def test_folded_features_are_the_same(name: str) -> None:
    entry = BACKBONES[name]
    net, x = filled(entry), clip(entry)
    for number in (torch.float32, torch.float64) if name in FAST else (torch.float32,):
        net, x = net.to(number), x.to(number)
        folded = fold_batch_norm(net)
        assert not any(isinstance(part, _BatchNorm) for part in folded.modules())
        with torch.inference_mode():
            want, got = net.feature(x), folded.feature(x)
        assert got.dtype == number
        assert (want - got).abs().max() <= 1e-5 * want.abs().max()
        assert want.abs().max() > 1e-3


def test_the_original_is_left_as_it_was() -> None:
    net = filled(BACKBONES["resnet18"]).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert not fold_batch_norm(net).training and net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_bias_and_a_normalisation_without_parameters_are_folded_too() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4, affine=False)).eval()
    net[1].running_mean.uniform_(-1, 1)
    net[1].running_var.uniform_(0.5, 2)
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(net(x), fold_batch_norm(net)(x), atol=1e-6)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)), "no convolution stands before 0"),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)), "no convolution stands before 2"),
        (nn.Sequential(nn.ConvTranspose2d(3, 3, 1), nn.BatchNorm2d(3)), "no convolution stands before 1"),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)), "keeps no running statistics"),
    ],
)
def test_what_cannot_be_folded_is_refused(net: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fold_batch_norm(net)
