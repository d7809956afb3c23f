"""The backbones by name. Importing this module is light: a network's module is imported when it is built.

Every network offers the same taps: ``forward_features(x)`` (the last map), ``pool(map)`` and ``feature(x)`` (the pooled feature
(B, width)); those with a classifier also ``forward_head(map)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cache.errors import ConfigError, nearest


@dataclass(frozen=True)
class Backbone:
    """One network of the registry.

    factory: ``"module:function"`` below ``models.backbones``.
    kind:    ``"appearance"`` (images), ``"motion"`` (clips) or ``"flow"`` (clips of optical flow, x and y).
    width:   V, the length of the pooled feature.
    image_size: side of the square input in pixels.
    frames:  frames of a clip (1 for images). channels: of the input.
    options: arguments of the factory.
    library: package that defines it, "" if we do: its version is keyed.
    window:  its pooling window is made for a clip size (2018 release): the factory takes ``sample_size``, ``sample_duration``.
    """

    name: str
    factory: str
    kind: str
    width: int
    image_size: int
    frames: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    window: bool = False
    channels: int = 3
    library: str = ""


def _images(name: str, module: str, width: int) -> Backbone:
    return Backbone(name, f"{module}:{name}", "appearance", width, 224, library="torchvision")


def _clips(name: str, function: str, width: int, **options: Any) -> Backbone:
    return Backbone(name, f"resnet3d:{function}", "motion", width, 112, 16, options, function.endswith("2018"))


_ALL = (
    Backbone("small2d", "small2d:small2d", "appearance", 128, 112),
    Backbone("pose2d", "pose2d:pose2d", "appearance", 128, 112),
    Backbone("people2d", "people2d:people2d", "appearance", 256, 112),
    _images("resnet18", "resnet2d", 512),
    _images("resnet34", "resnet2d", 512),
    _images("resnet50", "resnet2d", 2048),
    _images("resnet101", "resnet2d", 2048),
    _images("mobilenet_v3_large", "mobilenetv3", 960),
    _images("mobilenet_v3_small", "mobilenetv3", 576),
    Backbone("small3d", "small3d:small3d", "motion", 128, 112, 16),
    Backbone("people3d", "people3d:people3d", "motion", 256, 112, 16),
    _clips("resnext101", "resnext_2018", 2048, depth=101),
    _clips("resnet18_3d", "resnet_2018", 512, depth=18, shortcut="A"),
    _clips("resnet34_3d", "resnet_2018", 512, depth=34, shortcut="A"),
    _clips("resnet50_3d", "resnet_2018", 2048, depth=50),
    _clips("resnet101_3d", "resnet_2018", 2048, depth=101),
    _clips("resnet152_3d", "resnet_2018", 2048, depth=152),
    _clips("resnet200_3d", "resnet_2018", 2048, depth=200),
    _clips("wide_resnet50_3d", "wide_resnet_2018", 2048, depth=50, k=2),
    _clips("r3d18", "resnet_2020", 512, depth=18),
    _clips("r3d34", "resnet_2020", 512, depth=34),
    _clips("r3d50", "resnet_2020", 2048, depth=50),
    _clips("r3d101", "resnet_2020", 2048, depth=101),
    _clips("r3d152", "resnet_2020", 2048, depth=152),
    _clips("r3d200", "resnet_2020", 2048, depth=200),
    _clips("wide_r3d50", "wide_resnet_2020", 2048, depth=50, k=2),
    _clips("r2p1d18", "resnet_2020", 512, depth=18, factorised=True),
    _clips("r2p1d34", "resnet_2020", 512, depth=34, factorised=True),
    _clips("r2p1d50", "resnet_2020", 2048, depth=50, factorised=True),
    Backbone("i3d", "i3d:i3d", "motion", 1024, 224, 16),
    Backbone("i3d_flow", "i3d:i3d", "flow", 1024, 224, 16, {"n_input_channels": 2}, channels=2),
    Backbone("topi3d", "i3d:topi3d", "motion", 1024, 224, 16),
    Backbone("small_i3d", "i3d:small_i3d", "motion", 128, 48, 16),
    Backbone("topi3d_flow", "i3d:topi3d", "flow", 1024, 224, 16, {"n_input_channels": 2}, channels=2),
)
#: Besides these, :func:`find` knows the networks of timm.
BACKBONES: dict[str, Backbone] = {entry.name: entry for entry in _ALL}


def module_of(entry: Backbone) -> str:
    """The module that :func:`build` imports for ``entry``: a stage that uses the registry names it for its fingerprint."""
    return "models.backbones." + entry.factory.partition(":")[0]


def find(name: str, kind: str | None = None) -> Backbone:
    """The entry of ``name``; a ConfigError names the nearest one if there is none, or if it is of another ``kind``."""
    entry = BACKBONES.get(name) or _of_timm(name)
    known = [other for other, value in BACKBONES.items() if kind in (None, value.kind)]
    if entry is None:
        raise ConfigError(f"unknown backbone {name!r}", hint=nearest(name, known))
    if kind not in (None, entry.kind):
        raise ConfigError(f"backbone {name!r} makes {entry.kind} features, not {kind} features", hint="known: " + ", ".join(sorted(known)))
    return entry


def _of_timm(name: str) -> Backbone | None:
    """The entry of an image network of timm, ``timm:<its name there>``; how wide its feature is, only the network itself can say."""
    prefix, _, own = name.partition(":")
    if prefix != "timm" or not own:
        return None
    return Backbone(name, "timm_networks:timm_network", "appearance", 0, 224, options={"name": own}, library="timm")


def build(name: str, **options: Any) -> Any:
    """Build the network ``name`` with fresh weights (torch module in training mode); ``options`` go to its factory."""
    entry = find(name)
    function = entry.factory.partition(":")[2]
    factory = getattr(importlib.import_module(module_of(entry)), function)
    return factory(**{**entry.options, **options})


def options_of(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the network ``name`` that a state dict decides (classes, shortcut): ``build(name, **options)``."""
    reader = getattr(importlib.import_module(module_of(find(name))), "options_of", None)
    return dict(reader(state)) if reader is not None else {}
