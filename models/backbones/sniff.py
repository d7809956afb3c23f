"""What a state dict holds, worked out from names and shapes alone: family, depth, shortcut, classes, cardinality."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cache.errors import DataError
from models.backbones import i3d, resnet3d, resnet3d_blocks
from models.backbones.registry import BACKBONES, build, options_of

#: classes of what the 2018 networks were trained on: Kinetics-400, UCF101, HMDB51
CLASSES_2018 = (400, 101, 51)


@dataclass(frozen=True)
class Found:
    """A network that was read off its state.

    family:   in words. backbone: the registry's name, "" if its options are none of the registry's.
    depth, cardinality, n_classes: 0 where there is none. shortcut: "A", "B" or "".
    channels: of the input. make: builds it with fresh weights.
    """

    family: str
    backbone: str
    make: Callable[[], nn.Module]
    depth: int = 0
    shortcut: str = ""
    n_classes: int = 0
    cardinality: int = 0
    channels: int = 3


#: the networks of drawn worlds, each with entries that those after it do not have together
DRAWN = {
    "people3d": ("bn_last.weight", "layer3.conv_s.weight"),
    "people2d": ("bn_last.weight",),
    "small3d": ("layer3.conv_s.weight",),
    "small2d": ("layer3.conv1.weight",),
    "pose2d": ("layer1.conv1.weight",),
}


def identify(state: Mapping[str, Tensor]) -> Found:
    """Say which network ``state`` (our names) belongs to. Raises DataError if it is none that we know."""
    hint = "known: 2-D and 3-D ResNet, wide, ResNeXt, R(2+1)D, MobileNetV3, I3D, Top-I3D"
    try:
        return _identify(state)
    except KeyError as error:
        raise DataError(f"no network that kdpipe knows: no entry {error.args[0]!r}", hint=hint) from error
    except (IndexError, ZeroDivisionError) as error:
        raise DataError("no network that kdpipe knows: its convolutions have impossible shapes", hint=hint) from error


def _identify(state: Mapping[str, Tensor]) -> Found:
    if "Conv3d_1a_7x7.conv3d.weight" in state:
        return _i3d(state)
    if "features.0.0.weight" in state:
        return _mobilenet(state)
    drawn = next((name for name, entries in DRAWN.items() if all(entry in state for entry in entries)), "")
    if drawn:
        return Found(drawn, drawn, lambda: build(drawn))
    stem = state["conv1_s.weight" if "conv1_s.weight" in state else "conv1.weight"]
    return _resnet2d(state) if stem.dim() == 4 else _resnet3d(state)


def infer_resnet3d(state: Mapping[str, Tensor]) -> resnet3d.ResNet3D:
    """Build the 3-D network that ``state`` belongs to, with fresh weights.

    Block type, blocks per stage, widths, cardinality, shortcut, stem and classes are read off. What leaves no trace (pooling
    window, ``conv1_t_stride``, ``no_max_pool``) takes the usual value; global pooling equals the 2018 window for nominal clips.
    Raises DataError if it is no network of the family.
    """
    try:
        return _Family(state).build()
    except KeyError as error:
        raise DataError(f"not a 3-D ResNet checkpoint: no entry {error.args[0]!r}", hint="known: ResNet, wide, ResNeXt, R(2+1)D") from error


def _layers(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Blocks per stage."""
    numbers = {stage: [int(m[1]) for name in state if (m := re.match(rf"{stage}\.(\d+)\.", name))] for stage in resnet3d.STAGES}
    for stage, found in numbers.items():
        if not found:
            raise KeyError(f"{stage}.0.conv1.weight")
    return tuple(1 + max(found) for found in numbers.values())


class _Family:
    """What the names and shapes of a 3-D ResNet's state say."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = state
        self.factorised = "conv1_s.weight" in state
        stem = state["conv1_s.weight" if self.factorised else "conv1.weight"]
        out = state["conv1_t.weight"] if self.factorised else stem
        self.stem, self.conv1_t_size, self.channels = out.shape[0], out.shape[2], stem.shape[1]
        self.layers = _layers(state)
        self.bottleneck = "layer1.0.conv3.weight" in state
        self.groups = 1
        if not self.bottleneck:
            name = "layer{}.0.conv1_t.weight" if self.factorised else "layer{}.0.conv1.weight"
            self.planes, self.expansion = [state[name.format(i)].shape[0] for i in (1, 2, 3, 4)], 1
            return
        mids = [state[f"layer{i}.0.conv1.weight"].shape[0] for i in (1, 2, 3, 4)]
        outputs = [state[f"layer{i}.0.conv3.weight"].shape[0] for i in (1, 2, 3, 4)]
        self.groups = 1 if self.factorised else mids[0] // state["layer1.0.conv2.weight"].shape[1]
        self.expansion = resnet3d_blocks.ResNeXtBottleneck.expansion if self.groups > 1 else outputs[0] // mids[0]
        self.planes = [width // self.expansion for width in outputs] if self.groups > 1 else mids

    def block(self) -> Callable[..., nn.Module]:
        if not self.bottleneck:
            return resnet3d_blocks.FactorisedBasic if self.factorised else resnet3d_blocks.Basic
        if self.groups > 1:
            return lambda *arguments: resnet3d_blocks.ResNeXtBottleneck(*arguments, cardinality=self.groups)
        if self.factorised:
            return resnet3d_blocks.FactorisedBottleneck
        return resnet3d_blocks.WideBottleneck if self.expansion == 2 else resnet3d_blocks.Bottleneck

    def build(self) -> resnet3d.ResNet3D:
        fc = self.state.get("fc.weight")
        return resnet3d.ResNet3D(
            self.block(),
            self.layers,
            self.planes,
            expansion=self.expansion,
            stem=self.stem,
            n_input_channels=self.channels,
            conv1_t_size=self.conv1_t_size,
            factorised=self.factorised,
            fc_inputs=None if fc is None else fc.shape[1],
            **_class_options(self.state),
        )

    def depth(self) -> int:
        for depth, layers in resnet3d.LAYERS.items():
            if layers == self.layers and (depth >= 50) == self.bottleneck:
                return depth
        return 0


def _class_options(state: Mapping[str, Tensor]) -> dict[str, Any]:
    return {key: value for key, value in resnet3d.options_of(state).items() if key in ("n_classes", "shortcut")}


def _resnet3d(state: Mapping[str, Tensor]) -> Found:
    family, options = _Family(state), resnet3d.options_of(state)
    depth, classes = family.depth(), options["n_classes"]
    # Both releases have the same entries; shallow published networks of 2018 have shortcut A, all of 2020 B.
    early = options["shortcut"] == "A" or (depth >= 50 and classes in CLASSES_2018)
    if family.groups > 1:
        words, name = "3-D ResNeXt", f"resnext{depth}"
    elif family.factorised:
        words, name = "R(2+1)D", f"r2p1d{depth}"
    elif family.bottleneck and family.expansion == 2:
        words, name = "wide 3-D ResNet", f"wide_resnet{depth}_3d" if family.stem == 64 else f"wide_r3d{depth}"
    else:
        words, name = "3-D ResNet", f"resnet{depth}_3d" if early else f"r3d{depth}"
    return Found(
        words,
        _if_it_fits(name, state),
        family.build,
        depth,
        options["shortcut"],
        classes,
        family.groups if family.groups > 1 else 0,
        family.channels,
    )


def _resnet2d(state: Mapping[str, Tensor]) -> Found:
    from models.backbones import resnet2d  # torchvision takes more than a second to load

    layers, bottleneck = _layers(state), "layer1.0.conv3.weight" in state
    depth = next((d for d, (block, n) in resnet2d.DEPTHS.items() if n == layers and (block is resnet2d.Bottleneck) == bottleneck), 0)
    name, options = _if_it_fits(f"resnet{depth}", state), resnet2d.options_of(state)
    block = resnet2d.Bottleneck if bottleneck else resnet2d.BasicBlock
    return Found("2-D ResNet", name, lambda: resnet2d.ResNet2D(block, layers, **options), depth, "B", options["n_classes"])


def _mobilenet(state: Mapping[str, Tensor]) -> Found:
    from models.backbones import mobilenetv3

    options = mobilenetv3.options_of(state)
    large = any(name.startswith("features.16.") for name in state)
    make = mobilenetv3.mobilenet_v3_large if large else mobilenetv3.mobilenet_v3_small
    name = _if_it_fits(make.__name__, state)
    return Found(f"MobileNetV3-{'large' if large else 'small'}", name, lambda: make(**options), n_classes=options["n_classes"])


def _i3d(state: Mapping[str, Tensor]) -> Found:
    shape = state["Conv3d_1a_7x7.conv3d.weight"].shape
    channels = shape[1]
    options = {**i3d.options_of(state), "n_input_channels": channels}
    top = state.get("Conv3d_2c_3x3.conv3d.weight", state["Conv3d_1a_7x7.conv3d.weight"]).shape[2] == 1
    small = not top and shape[0] == i3d.UNITS["Conv3d_1a_7x7"][0] * i3d.SMALL
    make = i3d.topi3d if top else i3d.small_i3d if small else i3d.i3d
    words = ("Top-I3D" if top else "small I3D" if small else "I3D") + {3: ", RGB", 2: ", flow"}.get(channels, "")
    name = _if_it_fits(make.__name__ + ("_flow" if channels == 2 else ""), state)
    return Found(words, name, lambda: make(**options), n_classes=options["n_classes"], channels=channels)


def _if_it_fits(name: str, state: Mapping[str, Tensor]) -> str:
    """``name`` if the registry's network of that name has exactly the entries of ``state``, else ""."""
    if name not in BACKBONES:
        return ""
    with torch.device("meta"):
        own = build(name, **options_of(name, state)).state_dict()
    counted = {key for key in own if not key.endswith("num_batches_tracked")}
    given = {key for key in state if not key.endswith("num_batches_tracked")}
    return name if counted == given and all(own[key].shape == state[key].shape for key in counted) else ""
