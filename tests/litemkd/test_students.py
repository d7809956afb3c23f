"""Students: batch statistics, shapes, and what does not go together."""

from __future__ import annotations

import pytest
import torch

from cache.errors import ConfigError
from models.backbones import registry
from systems.litemkd.backbone import Backbone
from systems.litemkd.kinds import SHAPES
from systems.litemkd.model import Student

LABELS = torch.tensor([1.0, 0.0])


def clips(count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 8, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_backbone_gives_the_features_of_its_shape(shape: str) -> None:
    net = Backbone("small2d", shape, 16).eval()
    found = net(clips())
    assert {name: tuple(value.shape) for name, value in found.items()} == dict.fromkeys(SHAPES[shape], (2, 8, net.dim))


@pytest.mark.parametrize("shape", ["plain", "d2m", "strm-d2m"])
def test_frames_pooled_before_are_the_same_features(shape: str) -> None:
    net = Backbone("small2d", shape, 16).eval()
    pooled = net.pooled(clips().flatten(0, 1)).unflatten(0, (2, 8))
    again = net.branches(pooled)
    assert all(torch.equal(value, again[name]) for name, value in net(clips()).items())


def test_support_and_query_have_their_own_batch_statistics_in_training() -> None:
    net = Student("small2d", "d2m", "d2m", 16, 8, dropout=0.0).train()
    first = net(clips(), LABELS, clips(seed=1))
    other = net(clips(), LABELS, torch.cat([clips(seed=1), clips(seed=2)]))
    assert torch.equal(first["sup"], other["sup"])
    assert not torch.allclose(first["kl"], other["kl"][:2], atol=1e-4)
    assert int(net.backbone.net.bn1.num_batches_tracked) == 4


def test_a_trunk_takes_over_the_weights_of_its_network() -> None:
    net = registry.build("mobilenet_v3_small", n_classes=0)
    student = Student("mobilenet_v3_small", "d2m", "d2m", 16, 8, net=net)
    assert student.backbone.mobile[0][0][0].weight is net.features[0][0].weight


def test_a_head_of_two_branches_needs_a_backbone_of_two() -> None:
    with pytest.raises(ConfigError, match="compares the feature 'second', which a backbone of shape = plain does not give") as error:
        Student("small2d", "plain", "d2m")
    assert "d2m" in error.value.hint
