"""The 3-D ResNet family of Hara et al.: "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?" (CVPR 2018).

One network covers what was published in two layouts:

2018  ResNet, wide ResNet and ResNeXt with a fixed average-pooling window; stem width 64. ``resnext101`` with shortcut B and
      cardinality 32 is the motion network of VideoQA.
2020  ResNet with ``widen_factor`` and stem options, wide ResNet, R(2+1)D (Tran et al., CVPR 2018); global average pooling.

For clips of the nominal size both poolings give the same numbers. State-dict names are the published ones: ``conv1``, ``bn1``,
``layer{1..4}.{i}.conv{k}``, ``.bn{k}``, ``.downsample.{0,1}``, ``fc``; R(2+1)D has ``conv{k}_s``, ``bn{k}_s``, ``conv{k}_t``, ``bn{k}_t``.

Clips are (B, 3, T, H, W). The stem halves H and W (and T by ``conv1_t_stride``), the max pooling all three axes, and so does
the first block of stages 2 to 4. In training, the published shortcut A detaches its input; here the gradient flows. The
published 2020 ResNeXt cannot be built (its builder passes wrong keywords), so it is not here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.resnet3d_blocks import (
    Basic,
    Bottleneck,
    FactorisedBasic,
    FactorisedBottleneck,
    ResNeXtBottleneck,
    ShortcutA,
    WideBottleneck,
    conv1x1x1,
    factorised_width,
)

#: depth -> blocks per stage
LAYERS: dict[int, tuple[int, int, int, int]] = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
STAGES = ("layer1", "layer2", "layer3", "layer4")


class ResNet3D(nn.Module):
    """Clips (B, C, T, H, W) -> logits (B, n_classes), or the pooled feature (B, V) with ``last_fc=False`` or ``n_classes=0``.

    block:       callable (inputs, planes, stride, downsample) -> module with ``expansion``.
    layers:      blocks per stage.
    planes:      planes of the four stages.
    stem:        channels of the stem.
    pool:        window (T, H, W) of the average pooling with stride 1 (2018), or None for global average pooling (2020).
    fc_inputs:   in_features of ``fc`` where the published code disagrees with the feature's width (ResNeXt, cardinality != 32).
    factorised:  R(2+1)D: the stem is factorised too.
    init:        ``"2018"``: N(0, sqrt(2 / (k_t k_h out))); ``"2020"``: Kaiming normal, fan out.
    """

    def __init__(
        self,
        block: Callable[..., nn.Module],
        layers: Sequence[int],
        planes: Sequence[int],
        *,
        expansion: int,
        stem: int = 64,
        shortcut: str = "B",
        n_classes: int = 400,
        n_input_channels: int = 3,
        conv1_t_size: int = 7,
        conv1_t_stride: int = 1,
        no_max_pool: bool = False,
        pool: tuple[int, int, int] | None = None,
        fc_inputs: int | None = None,
        last_fc: bool = True,
        factorised: bool = False,
        init: str = "2020",
    ) -> None:
        super().__init__()
        if shortcut not in ("A", "B"):
            raise ValueError(f"shortcut must be 'A' or 'B', not {shortcut!r}")
        self.shortcut, self.last_fc, self.factorised, self.no_max_pool = shortcut, last_fc, factorised, no_max_pool
        k_t, s_t = conv1_t_size, conv1_t_stride
        if factorised:
            mid = factorised_width(n_input_channels, stem, k_t, 7)
            self.conv1_s = nn.Conv3d(n_input_channels, mid, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False)
            self.bn1_s = nn.BatchNorm3d(mid)
            self.conv1_t = nn.Conv3d(mid, stem, (k_t, 1, 1), stride=(s_t, 1, 1), padding=(k_t // 2, 0, 0), bias=False)
            self.bn1_t = nn.BatchNorm3d(stem)
        else:
            self.conv1 = nn.Conv3d(n_input_channels, stem, (k_t, 7, 7), stride=(s_t, 2, 2), padding=(k_t // 2, 3, 3), bias=False)
            self.bn1 = nn.BatchNorm3d(stem)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        inputs = stem
        for name, blocks, width, stride in zip(STAGES, layers, planes, (1, 2, 2, 2)):
            setattr(self, name, self._stage(block, inputs, width, width * expansion, blocks, stride))
            inputs = width * expansion
        self.width = inputs
        self.avgpool = nn.AvgPool3d(pool, stride=1) if pool else nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(fc_inputs or inputs, n_classes) if n_classes else nn.Identity()
        self._init(init)

    def _stage(self, block: Callable[..., nn.Module], inputs: int, planes: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
        downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            if self.shortcut == "A":
                downsample = ShortcutA(outputs, stride)
            else:
                downsample = nn.Sequential(conv1x1x1(inputs, outputs, stride), nn.BatchNorm3d(outputs))
        first = block(inputs, planes, stride, downsample)
        return nn.Sequential(first, *(block(outputs, planes, 1, None) for _ in range(1, blocks)))

    def _init(self, layout: str) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                if layout == "2018":
                    k_t, k_h, _ = module.kernel_size
                    nn.init.normal_(module.weight, 0, math.sqrt(2 / (k_t * k_h * module.out_channels)))
                else:
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, x: Tensor) -> Tensor:
        """The map before the first stage."""
        if self.factorised:
            x = F.relu(self.bn1_s(self.conv1_s(x)))
            x = F.relu(self.bn1_t(self.conv1_t(x)))
        else:
            x = F.relu(self.bn1(self.conv1(x)))
        return x if self.no_max_pool else self.maxpool(x)

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The map after the stem's pooling (``maxpool``, unless there is none) and after each stage, by name, in order."""
        x = self.stem(x)
        maps = {} if self.no_max_pool else {"maxpool": x}
        for name in STAGES:
            x = maps[name] = getattr(self, name)(x)
        return maps

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, V, T', H', W')."""
        return self.stages(x)["layer4"]

    def pool(self, x: Tensor) -> Tensor:
        """Average pooling of the last map, flattened: (B, V) for clips of the nominal size."""
        return self.avgpool(x).flatten(1)

    def forward_head(self, x: Tensor) -> Tensor:
        """Logits of the last map, or its pooled feature with ``last_fc=False``."""
        x = self.pool(x)
        return self.fc(x) if self.last_fc else x

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, V), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Classes (0: no classifier) and shortcut, read off a state dict."""
    return {
        "n_classes": state["fc.weight"].shape[0] if "fc.weight" in state else 0,
        "shortcut": "B" if "layer2.0.downsample.0.weight" in state else "A",
    }


def _pool_2018(sample_size: int, sample_duration: int) -> tuple[int, int, int]:
    side = math.ceil(sample_size / 32)
    return math.ceil(sample_duration / 16), side, side


def _block(depth: int) -> type[Basic | Bottleneck]:
    return Basic if depth < 50 else Bottleneck


def resnet_2018(
    depth: int,
    *,
    sample_size: int = 112,
    sample_duration: int = 16,
    shortcut: str = "B",
    n_classes: int = 400,
    last_fc: bool = True,
    layers: Sequence[int] = (),
) -> ResNet3D:
    """ResNet of the 2018 layout; ``resnet-18/34-kinetics.pth`` have shortcut A, the deeper ones B."""
    block = _block(depth)
    return ResNet3D(
        block,
        layers or LAYERS[depth],
        (64, 128, 256, 512),
        expansion=block.expansion,
        shortcut=shortcut,
        n_classes=n_classes,
        pool=_pool_2018(sample_size, sample_duration),
        last_fc=last_fc,
        init="2018",
    )


def wide_resnet_2018(
    depth: int = 50,
    *,
    k: int = 2,
    sample_size: int = 112,
    sample_duration: int = 16,
    shortcut: str = "B",
    n_classes: int = 400,
    last_fc: bool = True,
) -> ResNet3D:
    """Wide ResNet of the 2018 layout: planes times ``k``, stem 64."""
    return ResNet3D(
        WideBottleneck,
        LAYERS[depth],
        [planes * k for planes in (64, 128, 256, 512)],
        expansion=WideBottleneck.expansion,
        shortcut=shortcut,
        n_classes=n_classes,
        pool=_pool_2018(sample_size, sample_duration),
        last_fc=last_fc,
        init="2018",
    )


def resnext_2018(
    depth: int = 101,
    *,
    cardinality: int = 32,
    sample_size: int = 112,
    sample_duration: int = 16,
    shortcut: str = "B",
    n_classes: int = 400,
    last_fc: bool = True,
    layers: Sequence[int] = (),
) -> ResNet3D:
    """ResNeXt of the 2018 layout. ``depth`` 101 is the motion network of VideoQA: 48.3 M parameters, 9.57 GMAC, V = 2048.

    ``fc`` has cardinality * 64 inputs as published: for a cardinality other than 32 it cannot be applied.
    """
    return ResNet3D(
        partial(ResNeXtBottleneck, cardinality=cardinality),
        layers or LAYERS[depth],
        (128, 256, 512, 1024),
        expansion=ResNeXtBottleneck.expansion,
        shortcut=shortcut,
        n_classes=n_classes,
        pool=_pool_2018(sample_size, sample_duration),
        fc_inputs=cardinality * 32 * ResNeXtBottleneck.expansion,
        last_fc=last_fc,
        init="2018",
    )


def resnet_2020(
    depth: int,
    *,
    n_classes: int = 700,
    n_input_channels: int = 3,
    shortcut: str = "B",
    conv1_t_size: int = 7,
    conv1_t_stride: int = 1,
    no_max_pool: bool = False,
    widen_factor: float = 1.0,
    factorised: bool = False,
    last_fc: bool = True,
    layers: Sequence[int] = (),
) -> ResNet3D:
    """ResNet (``r3d18_K_200ep.pth`` ...) or, with ``factorised``, R(2+1)D of the 2020 layout.

    ``widen_factor`` multiplies all planes, the stem's included, and is truncated to an integer.
    """
    plain = _block(depth)
    block = plain if not factorised else (FactorisedBasic if plain is Basic else FactorisedBottleneck)
    planes = [int(width * widen_factor) for width in (64, 128, 256, 512)]
    return ResNet3D(
        block,
        layers or LAYERS[depth],
        planes,
        expansion=plain.expansion,
        stem=planes[0],
        shortcut=shortcut,
        n_classes=n_classes,
        n_input_channels=n_input_channels,
        conv1_t_size=conv1_t_size,
        conv1_t_stride=conv1_t_stride,
        no_max_pool=no_max_pool,
        last_fc=last_fc,
        factorised=factorised,
    )


def wide_resnet_2020(
    depth: int = 50,
    *,
    k: int = 2,
    n_classes: int = 700,
    n_input_channels: int = 3,
    shortcut: str = "B",
    conv1_t_size: int = 7,
    conv1_t_stride: int = 1,
    no_max_pool: bool = False,
    last_fc: bool = True,
    layers: Sequence[int] = (),
) -> ResNet3D:
    """Wide ResNet of the 2020 layout: planes and stem times ``k``."""
    planes = [width * k for width in (64, 128, 256, 512)]
    return ResNet3D(
        WideBottleneck,
        layers or LAYERS[depth],
        planes,
        expansion=WideBottleneck.expansion,
        stem=planes[0],
        shortcut=shortcut,
        n_classes=n_classes,
        n_input_channels=n_input_channels,
        conv1_t_size=conv1_t_size,
        conv1_t_stride=conv1_t_stride,
        no_max_pool=no_max_pool,
        last_fc=last_fc,
    )
