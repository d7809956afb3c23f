"""The taps of torchvision's networks are what torchvision's own forward passes through: the same numbers at every one."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from models.backbones.registry import build
from tests.parity.case import load_filled

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v3_large", "mobilenet_v3_small")
RESNET_TAPS = ("maxpool", "layer1", "layer2", "layer3", "layer4")


def pair(name: str, classes: int) -> tuple[nn.Module, nn.Module]:
    """torchvision's network with random numbers in every entry, and ours with the same."""
    theirs = getattr(torchvision.models, name)(weights=None, num_classes=classes)
    load_filled(theirs, {key: value.shape for key, value in theirs.state_dict().items()}, seed=3)
    ours = build(name, n_classes=classes)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs.eval(), ours.eval()


def taps(net: nn.Module, x: Tensor, names: list[str]) -> dict[str, Tensor]:
    """What the named parts of a network put out, by hooks."""
    found: dict[str, Tensor] = {}
    for name in names:
        net.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: found.__setitem__(name, out.clone()))
    with torch.inference_mode():
        found["logits"] = net(x)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_taps_and_logits_are_torchvisions(name: str) -> None:
    theirs, ours = pair(name, 3)
    x = torch.rand((2, 3, 75, 50), generator=torch.Generator().manual_seed(4))
    names = [f"features.{n}" for n in range(len(theirs.features))] if "mobilenet" in name else list(RESNET_TAPS)
    want = taps(theirs, x, [*names, "avgpool"])
    with torch.inference_mode():
        maps = ours.stages(x)
        assert list(maps) == names
        for tap in names:
            assert torch.equal(maps[tap], want[tap]), tap
        assert torch.equal(ours.feature(x), want["avgpool"].flatten(1))
        assert torch.equal(ours.forward_features(x), maps[names[-1]])
        assert torch.equal(ours(x), want["logits"])


@pytest.mark.parametrize("name", NAMES)
def test_without_classes_the_network_ends_at_the_feature(name: str) -> None:
    net = build(name, n_classes=0).eval()
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(net(x), net.feature(x))
    assert not any(key.startswith(("fc.", "classifier.")) for key in net.state_dict())
