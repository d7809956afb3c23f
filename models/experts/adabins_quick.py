"""AdaBins with less arithmetic, for pictures of one size: what is linear is multiplied out once, and then the same numbers come out.

* The decoder's first convolution of each step works on the small map (:mod:`models.experts.resized_conv`).
* ``conv_head``, ``conv2`` and the first of these are linear one after another: one convolution of 512 channels instead of 2048.
* A pixel's logits are its features times the kernels times ``conv_out``: one small matrix for each picture.

Of 187 G multiply-adds at 480 x 640, 112 G are left.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from models.backbones.fold import fold_batch_norm
from models.experts.adabins import AdaBins, bin_edges, centres
from models.experts.adabins_decoder import SLOPE, UpSample
from models.experts.efficientnet_b5 import SKIPS, STAGES, EfficientNetB5
from models.experts.resized_conv import ResizedConv

#: pixels whose logits are in memory at a time
PIXELS = 4096

Size = tuple[int, int]


@fx.wrap  # type: ignore[misc]
def read_bins(features: Tensor, kernels: Tensor, bias: Tensor, middles: Tensor) -> Tensor:
    """Mean of ``middles`` (B, bins) by the softmax of ``kernels`` (B, bins, C) on ``features`` (B, C, h, w) plus ``bias``: (B, 1, h, w)."""
    images, _, height, width = features.shape
    pixels = features.flatten(2).transpose(1, 2)
    depth = middles.new_empty(images, height * width)
    for start in range(0, height * width, PIXELS):
        part = torch.baddbmm(bias, pixels[:, start : start + PIXELS], kernels.transpose(1, 2))
        depth[:, start : start + PIXELS] = torch.bmm(torch.softmax(part.float(), 2), middles[:, :, None])[..., 0]
    return depth.view(images, 1, height, width)


class Step(nn.Module):
    """One step of the decoder: a convolution of the resized map and the skip, then another."""

    def __init__(self, first: ResizedConv, second: nn.Conv2d) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return F.leaky_relu(self.second(self.first(coarse, fine)), SLOPE)


class QuickAdaBins(nn.Module):
    """``net`` for pictures of ``height`` x ``width``; gives depth only."""

    def __init__(self, net: AdaBins, height: int, width: int) -> None:
        super().__init__()
        folded = fold_batch_norm(net)
        assert isinstance(folded, AdaBins)
        self.nearest, self.farthest = net.nearest, net.farthest
        encoder, decoder = folded.encoder.original_model, folded.decoder
        fine, second, third, fourth, last = map_sizes(height, width)
        with torch.no_grad():
            self.up1 = first_step(encoder, decoder.conv2, decoder.up1, (last, fourth))
            self.up2 = step(decoder.up2, (fourth, third))
            self.up3 = step(decoder.up3, (third, second))
            self.up4 = step(decoder.up4, (second, fine))
        del encoder.conv_head
        self.encoder, self.conv3 = encoder, decoder.conv3
        self.head, self.conv_out = folded.adaptive_bins_layer, folded.conv_out[0]

    def depth(self, x: Tensor) -> Tensor:
        """Depth (B, 1, ceil(height / 2), ceil(width / 2)) in metres."""
        fine, second, third, fourth, last = self.encoder.trunk(x)
        x = self.up4(self.up3(self.up2(self.up1(last, fourth), third), second), fine)
        x = self.conv3(x)
        widths, kernels = self.head.tokens(x)
        out = self.conv_out.weight.flatten(1)
        middles = centres(bin_edges(widths, self.nearest, self.farthest))
        return read_bins(self.head.conv3x3(x), out @ kernels, self.conv_out.bias, middles)  # type: ignore[no-any-return]


def map_sizes(height: int, width: int) -> list[Size]:
    """Sizes of the four skips and of the last map."""
    sizes, size = [], (-(-height // 2), -(-width // 2))
    for number, stage in enumerate(STAGES):
        size = (-(-size[0] // stage.stride), -(-size[1] // stage.stride))
        if number in SKIPS:
            sizes.append(size)
    return [*sizes, size]


def step(up: UpSample, sizes: tuple[Size, Size]) -> Step:
    """One step, normalisations folded, from the smaller to the larger size."""
    conv = up._net[0]
    skip = conv.in_channels - coarse_channels(up)
    weight = conv.weight
    return Step(ResizedConv(weight[:, :-skip], weight[:, -skip:], conv.bias, sizes, SLOPE), up._net[3])


def coarse_channels(up: UpSample) -> int:
    """Channels of the map that is resized: in AdaBins, twice those that come out."""
    return 2 * up._net[0].out_channels  # type: ignore[operator, no-any-return]


def first_step(encoder: EfficientNetB5, conv2: nn.Conv2d, up: UpSample, sizes: tuple[Size, Size]) -> Step:
    """The first step on what ``conv_head`` reads: three convolutions in one; ``conv2`` adds a frame, and its bias everywhere."""
    conv, count = up._net[0], coarse_channels(up)
    weight, skip = conv.weight[:, :count].double(), conv.weight[:, count:]
    before = conv2.weight.flatten(1).double() @ encoder.conv_head.weight.flatten(1).double()
    coarse = torch.einsum("oiyx,ic->ocyx", weight, before).float()
    assert conv2.bias is not None
    everywhere = torch.einsum("oiyx,i->oyx", weight, conv2.bias.double())[:, None]
    always = F.conv2d(torch.ones(1, 1, *sizes[1], dtype=torch.double), everywhere, padding=1)[0].float()
    return Step(ResizedConv(coarse, skip, conv.bias, sizes, SLOPE, frame=True, always=always), up._net[3])
