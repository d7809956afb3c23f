"""I3D (Carreira and Zisserman, CVPR 2017: Inception-v1 inflated to 3-D) and Top-I3D, RGB or optical flow.

Top-I3D (Generative model-based feature KD, AAAI 2024) is the same graph with temporal kernels of 1 up to and including Mixed_4c: the
same channels, names and sizes at every endpoint; its first convolution still has temporal stride 2, so it drops every other frame.

State-dict names are those of the community's ``rgb_imagenet.pt`` and ``flow_imagenet.pt``: ``<endpoint>.conv3d.weight``,
``<endpoint>.bn.*``, ``Mixed_xx.{b0,b1a,b1b,b2a,b2b,b3b}.*``, and first of all ``logits.conv3d.{weight,bias}``. Published checkpoints
are sometimes read by position, so the order of the entries is the published one too.

Clips are (B, C, T, H, W) in -1..1 for the Kinetics weights. Padding is TensorFlow's "same", worked out from the size at run time, and
pooling pads with zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Axes = tuple[int, int, int]

#: endpoint -> channels of (b0, b1a, b1b, b2a, b2b, b3b)
MIXED: dict[str, tuple[int, ...]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
#: what multiplies the channels of small_i3d
SMALL = 1 / 8
#: which of these six are concatenated to the block's output
OUTPUTS = (0, 2, 4, 5)
#: endpoint -> kernel, stride
POOLS: dict[str, tuple[Axes, Axes]] = {
    "MaxPool3d_2a_3x3": ((1, 3, 3), (1, 2, 2)),
    "MaxPool3d_3a_3x3": ((1, 3, 3), (1, 2, 2)),
    "MaxPool3d_4a_3x3": ((3, 3, 3), (2, 2, 2)),
    "MaxPool3d_5a_2x2": ((2, 2, 2), (2, 2, 2)),
}
#: endpoint -> output channels, kernel, stride
UNITS: dict[str, tuple[int, Axes, Axes]] = {
    "Conv3d_1a_7x7": (64, (7, 7, 7), (2, 2, 2)),
    "Conv3d_2b_1x1": (64, (1, 1, 1), (1, 1, 1)),
    "Conv3d_2c_3x3": (192, (3, 3, 3), (1, 1, 1)),
}
ENDPOINTS = (
    "Conv3d_1a_7x7",
    "MaxPool3d_2a_3x3",
    "Conv3d_2b_1x1",
    "Conv3d_2c_3x3",
    "MaxPool3d_3a_3x3",
    "Mixed_3b",
    "Mixed_3c",
    "MaxPool3d_4a_3x3",
    "Mixed_4b",
    "Mixed_4c",
    "Mixed_4d",
    "Mixed_4e",
    "Mixed_4f",
    "MaxPool3d_5a_2x2",
    "Mixed_5b",
    "Mixed_5c",
)
#: the endpoints of Top-I3D whose kernels do not look along time
TOP_SPATIAL = frozenset(ENDPOINTS[: ENDPOINTS.index("Mixed_4d")])


def same_padding(size: Collection[int], kernel: Axes, stride: Axes) -> list[int]:
    """TensorFlow's "same" padding for an input of ``size`` (T, H, W), in the order of ``F.pad``: the odd one comes after."""
    pads: list[int] = []
    for s, k, r in zip(size, kernel, stride):
        total = max(k - (s % r or r), 0)
        pads = [total // 2, total - total // 2, *pads]
    return pads


def scaled(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Channels times ``width``, at least 1 each."""
    return tuple(max(1, round(count * width)) for count in channels)


def max_pool(x: Tensor, kernel: Axes, stride: Axes) -> Tensor:
    """Max pooling with "same" padding by zeros: a border of negative values becomes zero."""
    return F.max_pool3d(F.pad(x, same_padding(x.shape[2:], kernel, stride)), kernel, stride)


class Unit(nn.Module):
    """Convolution with "same" padding, BN (eps 1e-3, momentum 0.01), ReLU; with ``norm=False`` a convolution with bias alone."""

    def __init__(self, inputs: int, outputs: int, kernel: Axes = (1, 1, 1), stride: Axes = (1, 1, 1), *, norm: bool = True) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=not norm)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        pads = same_padding(x.shape[2:], self.conv3d.kernel_size, self.conv3d.stride)
        x = self.conv3d(F.pad(x, pads) if any(pads) else x)
        return x if self.bn is None else F.relu(self.bn(x))


class Inception(nn.Module):
    """Four branches side by side: 1x1x1; 1x1x1 then 3x3x3, twice; max pool 3x3x3 then 1x1x1. ``spatial``: 1x3x3 for every 3x3x3."""

    def __init__(self, inputs: int, channels: tuple[int, ...], *, spatial: bool) -> None:
        super().__init__()
        self.window: Axes = (1, 3, 3) if spatial else (3, 3, 3)
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = Unit(inputs, b0)
        self.b1a = Unit(inputs, b1a)
        self.b1b = Unit(b1a, b1b, self.window)
        self.b2a = Unit(inputs, b2a)
        self.b2b = Unit(b2a, b2b, self.window)
        self.b3b = Unit(inputs, b3b)
        self.outputs = sum(channels[i] for i in OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        pooled = max_pool(x, self.window, (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class I3D(nn.Module):
    """Clips (B, C, T, H, W) -> logits (B, n_classes, T_5c - 1), or the last map with ``n_classes=0``.

    n_classes:      0 leaves the classifier out, as the detection networks do.
    spatial:        endpoints whose temporal kernels are 1 (:data:`TOP_SPATIAL` for Top-I3D).
    final_endpoint: the last endpoint that is built; ``"Logits"`` is all of them and the classifier.
    dropout:        probability of a zero before the classifier, in training.
    width:          what the channels of all endpoints are multiplied by.
    window:         what the classifier averages over, with stride 1.
    """

    def __init__(
        self,
        n_classes: int = 400,
        n_input_channels: int = 3,
        *,
        spatial: Collection[str] = (),
        final_endpoint: str = "Logits",
        dropout: float = 0.5,
        width: float = 1.0,
        window: Axes = (2, 7, 7),
    ) -> None:
        super().__init__()
        if final_endpoint not in (*ENDPOINTS, "Logits"):
            raise ValueError(f"final_endpoint must be Logits or one of {', '.join(ENDPOINTS)}, not {final_endpoint!r}")
        last = len(ENDPOINTS) if final_endpoint == "Logits" else ENDPOINTS.index(final_endpoint) + 1
        self.endpoints = ENDPOINTS[:last]
        self.dropout = nn.Dropout(dropout)
        self.window = window
        last_channels = scaled(MIXED["Mixed_5c"], width)
        features = sum(last_channels[i] for i in OUTPUTS)
        self.logits = Unit(features, n_classes, norm=False) if n_classes and final_endpoint == "Logits" else None
        inputs = n_input_channels
        for name in self.endpoints:
            if name in UNITS:
                outputs, kernel, stride = UNITS[name]
                kernel = (1, *kernel[1:]) if name in spatial else kernel
                (outputs,) = scaled((outputs,), width)
                self.add_module(name, Unit(inputs, outputs, kernel, stride))
                inputs = outputs
            elif name in MIXED:
                block = Inception(inputs, scaled(MIXED[name], width), spatial=name in spatial)
                self.add_module(name, block)
                inputs = block.outputs
        self.width = inputs

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The map after each endpoint, by name, in order."""
        maps: dict[str, Tensor] = {}
        for name in self.endpoints:
            x = maps[name] = max_pool(x, *POOLS[name]) if name in POOLS else self.get_submodule(name)(x)
        return maps

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map: Mixed_5c (B, 1024, T/8, H/32, W/32), unless the network ends before it."""
        for name in self.endpoints:
            x = max_pool(x, *POOLS[name]) if name in POOLS else self.get_submodule(name)(x)
        return x

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, V). For a 16x224x224 clip it is the classifier's own pooling."""
        return x.mean((2, 3, 4))

    def forward_head(self, x: Tensor) -> Tensor:
        """Logits (B, n_classes, T_5c - 1) of Mixed_5c: means over windows of 2x7x7, dropout, 1x1x1; without classifier the map."""
        if self.logits is None:
            return x
        x = F.avg_pool3d(x, self.window, stride=1)
        return self.logits(self.dropout(x)).flatten(2)

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, V), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def small_i3d(n_classes: int = 12, n_input_channels: int = 3, **options: Any) -> I3D:
    """I3D with an eighth of the channels for clips of 48 x 48 pixels, a last map of 2 x 2: 0.2 M parameters, V = 128."""
    return I3D(n_classes, n_input_channels, **{"width": SMALL, "window": (2, 2, 2), **options})


def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Classes (0: no classifier), read off a state dict."""
    return {"n_classes": state["logits.conv3d.weight"].shape[0] if "logits.conv3d.weight" in state else 0}


def i3d(n_classes: int = 400, n_input_channels: int = 3, **options: Any) -> I3D:
    """I3D: 12.7 M parameters with 400 classes, V = 1024."""
    return I3D(n_classes, n_input_channels, **options)


def topi3d(n_classes: int = 101, n_input_channels: int = 3, **options: Any) -> I3D:
    """Top-I3D, the student: 10.5 M parameters with 101 classes, V = 1024."""
    return I3D(n_classes, n_input_channels, spatial=TOP_SPATIAL, **options)
