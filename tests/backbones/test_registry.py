"""Every backbone of the registry keeps the same promises."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from cache.errors import ConfigError
from cache.fingerprint import Fingerprint
from models.backbones.registry import BACKBONES, Backbone, build, find, module_of


def clip(entry: Backbone, batch: int = 1) -> torch.Tensor:
    """A small input: the nominal size for the small nets, a quarter of it for the big ones."""
    size = entry.image_size if entry.name.startswith("small") else 32
    generator = torch.Generator().manual_seed(0)
    shape = (batch, entry.channels, size, size) if entry.frames == 1 else (batch, entry.channels, entry.frames, size, size)
    return torch.rand(shape, generator=generator) * (1 if entry.frames == 1 else 255)


def on_meta(entry: Backbone) -> nn.Module:
    options = {"sample_size": 32, "sample_duration": entry.frames} if entry.window else {}
    with torch.device("meta"):
        return build(entry.name, **options).eval()


@pytest.mark.parametrize("name", BACKBONES)
def test_feature_tap_has_the_stated_width(name: str) -> None:
    entry = BACKBONES[name]
    net = on_meta(entry)
    feature = net.feature(clip(entry).to("meta"))
    assert feature.shape == (1, entry.width)
    last = net.forward_features(clip(entry).to("meta"))
    assert net.pool(last).shape == feature.shape
    assert importlib.util.find_spec(module_of(entry)) is not None


PUBLISHED_MILLIONS = {
    "resnet101": 44.549160,
    "resnext101": 48.340816,
    "resnet18_3d": 33.235280,
    "resnet34_3d": 63.54,
    "resnet50_3d": 47.02,
    "resnet101_3d": 86.06,
    "r3d18": 33.563004,
    "mobilenet_v3_large": 5.483032,
    "mobilenet_v3_small": 2.542856,
    "resnet18": 11.689512,
    "resnet34": 21.797672,
    "resnet50": 25.557032,
    "i3d": 12.70,
    "topi3d": 10.53,
}


@pytest.mark.parametrize(("name", "millions"), PUBLISHED_MILLIONS.items())
def test_parameter_counts_are_the_published_ones(name: str, millions: float) -> None:
    net = on_meta(BACKBONES[name])
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize(
    ("name", "most"),
    [("small2d", 130e6), ("pose2d", 80e6), ("small3d", 1.05e9), ("small_i3d", 55e6), ("people2d", 190e6), ("people3d", 1.2e9)],
)
def test_small_nets_stay_small(name: str, most: float) -> None:
    entry = BACKBONES[name]
    net = build(name).eval()
    total = 0

    def count(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.register_forward_hook(count)
    feature = net.feature(clip(entry))
    assert total < most
    assert (feature >= 0).all()
    assert sum(p.numel() for p in net.parameters()) * 2 < 1.5e6


def test_unknown_names_and_wrong_kinds_are_explained() -> None:
    with pytest.raises(ConfigError, match="did you mean 'resnet101'"):
        find("resnet10l", "appearance")
    with pytest.raises(ConfigError, match="makes motion features"):
        find("resnext101", "appearance")


#: module of a network -> the others that it is made of
PARTS = {
    "pose2d": ("small2d",),
    "small3d": ("small2d",),
    "people2d": ("small2d",),
    "people3d": ("people2d", "small2d", "small3d"),
    "resnet3d": ("resnet3d_blocks",),
}


def test_an_extraction_depends_on_its_own_network_alone() -> None:
    fingerprint = Fingerprint(Path(__file__).parents[2])
    common = {name for name in fingerprint.closure("stages.extract.run") if name.startswith("models.")}
    assert common == {
        "models.backbones",
        "models.backbones.converted",
        "models.backbones.inputs",
        "models.backbones.kinds",
        "models.backbones.published",
        "models.backbones.registry",
        "models.heap",
        "models.inference",
        "models.inference.batches",
        "models.inference.in_order",
        "models.inference.infer",
        "models.inference.instructions",
        "models.inference.ranges",
        "models.inference.runtimes",
        "models.inference.runtimes.gate",
        "models.weight_files",
        "models.weights",
    }
    for entry in BACKBONES.values():
        own = {name for name in fingerprint.closure("stages.extract.run", [module_of(entry)]) if name.startswith("models.")} - common
        assert own == {module_of(entry)} | {f"models.backbones.{part}" for part in PARTS.get(module_of(entry).rpartition(".")[2], ())}


def test_the_registry_and_the_stage_import_no_torch() -> None:
    code = "import sys, stages.extract, models.weights; print([m for m in ('torch', 'h5py', 'av', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"
