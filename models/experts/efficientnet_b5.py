"""EfficientNet-B5 (Tan and Le, ICML 2019) as an encoder: five maps of a picture, at strides 2 to 32.

The variant whose weights came from TensorFlow (AdvProp): "same" padding, eps 1e-3. Names in the state are those of its PyTorch ports.
Every batch normalisation is declared right after its convolution, so that they can be folded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

EPS = 1e-3
STEM, HEAD = 48, 2048


@dataclass(frozen=True)
class Stage:
    """``blocks`` blocks of one width; only the first has the ``stride``."""

    kernel: int
    stride: int
    blocks: int
    outputs: int
    expand: int = 6


STAGES = (
    Stage(3, 1, 3, 24, 1),
    Stage(3, 2, 5, 40),
    Stage(5, 2, 5, 64),
    Stage(3, 2, 7, 128),
    Stage(5, 1, 7, 176),
    Stage(5, 2, 9, 304),
    Stage(3, 1, 3, 512),
)
#: stages whose outputs are skips of a decoder, and their channels
SKIPS = (0, 1, 2, 4)
SKIP_CHANNELS = tuple(STAGES[number].outputs for number in SKIPS)


@fx.wrap  # type: ignore[misc]
def pad_for_stride(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around a map (B, C, H, W) such that an unpadded convolution gives ceil(H / stride) rows: the odd one comes after.

    With stride 1 that is the convolution's own padding, and nothing is added here.
    """
    if stride == 1:
        return x
    rows, columns = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
    return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


def _conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded by :func:`pad_for_stride` if it has a stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=False)


class SqueezeExcite(nn.Module):
    """Channels weighed by what the whole map shows (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, hidden, 1)
        self.conv_expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv_expand(F.silu(self.conv_reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class Separable(nn.Module):
    """Depthwise convolution, squeeze-excite, pointwise convolution; plus the input where the shapes agree."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = stage.kernel, stride
        self.conv_dw = _conv(inputs, inputs, stage.kernel, stride, groups=inputs)
        self.bn1 = nn.BatchNorm2d(inputs, EPS)
        self.se = SqueezeExcite(inputs, inputs // 4)
        self.conv_pw = _conv(inputs, stage.outputs)
        self.bn2 = nn.BatchNorm2d(stage.outputs, EPS)
        self.residual = stride == 1 and inputs == stage.outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.bn1(self.conv_dw(pad_for_stride(x, self.kernel, self.stride))))
        y = self.bn2(self.conv_pw(self.se(y)))
        return y + x if self.residual else y


class Inverted(nn.Module):
    """The same with a pointwise convolution to more channels before it (inverted residual)."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expand
        self.kernel, self.stride = stage.kernel, stride
        self.conv_pw = _conv(inputs, wide)
        self.bn1 = nn.BatchNorm2d(wide, EPS)
        self.conv_dw = _conv(wide, wide, stage.kernel, stride, groups=wide)
        self.bn2 = nn.BatchNorm2d(wide, EPS)
        self.se = SqueezeExcite(wide, inputs // 4)
        self.conv_pwl = _conv(wide, stage.outputs)
        self.bn3 = nn.BatchNorm2d(stage.outputs, EPS)
        self.residual = stride == 1 and inputs == stage.outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.bn1(self.conv_pw(x)))
        y = F.silu(self.bn2(self.conv_dw(pad_for_stride(y, self.kernel, self.stride))))
        y = self.bn3(self.conv_pwl(self.se(y)))
        return y + x if self.residual else y


class Unused(nn.Module):
    """The state of a batch normalisation that files hold and nothing reads."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long))


class EfficientNetB5(nn.Module):
    """Pictures (B, 3, H, W), normalised as ImageNet's -> maps of 24, 40, 64, 176 and 2048 channels at strides 2, 4, 8, 16, 32.

    The last map is what ``conv_head`` puts out, before its normalisation ``bn2``: AdaBins reads it so. Sizes are rounded up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _conv(3, STEM, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(STEM, EPS)
        inputs, stages = STEM, []
        for stage in STAGES:
            kind = Inverted if stage.expand > 1 else Separable
            blocks = []
            for number in range(stage.blocks):
                blocks.append(kind(inputs, stage, stage.stride if number == 0 else 1))
                inputs = stage.outputs
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _conv(inputs, HEAD)
        self.bn2 = Unused(HEAD)

    def trunk(self, x: Tensor) -> list[Tensor]:
        """The four skips, from fine to coarse, and the map of 512 channels that ``conv_head`` reads."""
        x = F.silu(self.bn1(self.conv_stem(pad_for_stride(x, 3, 2))))
        maps = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in SKIPS:
                maps.append(x)
        return [*maps, x]

    def forward(self, x: Tensor) -> list[Tensor]:
        *skips, last = self.trunk(x)
        return [*skips, self.conv_head(last)]
