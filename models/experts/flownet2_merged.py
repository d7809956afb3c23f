"""FlowNet's refinement with less arithmetic and the same numbers, for inference: layers with nothing but sums between them are rearranged.

A flow is read off by a 3x3 convolution to 2 channels, and vectors of a processor take 16: seven eighths are wasted. Applying all nine
taps at every pixel first, to 18 channels, and shifting and adding them then is the same sum in another order. If a smoothing convolution
stands before it, both become one. At full size, the convolution of maps side by side is the sum of convolutions of each, which saves
the copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.experts.flownet2_nets import FlowNetC
from models.experts.flownet2_refinement import OfParts, Refinement

#: channels from which on it pays
WIDE = 64
#: what numbers of channels should be multiples of
EVEN = 16


def merge(net: nn.Module) -> nn.Module:
    """Rearrange every refinement of ``net`` in place and return it. Its state dict has other entries then: load weights first."""
    for part in list(net.modules()):
        if isinstance(part, Refinement):
            for level in (part.levels[0] + 1, *part.levels):
                _merge_level(part, level)
        if isinstance(part, FlowNetC) and len(part.conv_redir) == 2:
            _even_out(part)
    return net


def _merge_level(net: Refinement, level: int) -> None:
    predict = getattr(net, f"predict_flow{level}")
    smooth = getattr(net, f"inter_conv{level}", None)
    if smooth is not None and len(smooth) > 1:
        return  # a normalisation stands between
    if predict.in_channels >= WIDE:
        setattr(net, f"predict_flow{level}", Reading(predict, None if smooth is None else smooth[0]))
        if smooth is not None:
            setattr(net, f"inter_conv{level}", nn.Identity())
    elif smooth is not None and level == net.levels[-1]:  # of the others, the maps side by side are needed anyway
        setattr(net, f"inter_conv{level}", Apart(smooth[0], net.skips[level]))


def _even_out(net: FlowNetC) -> None:
    """Let ``conv_redir`` put out channels of zeros, so that ``conv3_1`` has 480 inputs rather than 473: a multiple of all vectors."""
    redir, joined = net.conv_redir[0], net.conv3_1[0]
    ours, more = redir.out_channels, -joined.in_channels % EVEN
    assert redir.bias is not None
    wide = torch.cat((redir.weight.detach(), redir.weight.new_zeros(more, *redir.weight.shape[1:])))
    net.conv_redir[0] = _conv(wide, F.pad(redir.bias.detach(), (0, more)), 0)
    weight = joined.weight.detach()
    net.conv3_1[0] = _conv(torch.cat((F.pad(weight[:, :ours], (0, 0, 0, 0, 0, more)), weight[:, ours:]), 1), joined.bias, 1)


class Reading(nn.Module):
    """A flow read off a map by ``predict``, after ``smooth``; both 3x3, padded by 1."""

    def __init__(self, predict: nn.Conv2d, smooth: nn.Conv2d | None) -> None:
        super().__init__()
        taps = predict.weight.detach().double().flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2)  # (2 x 3 x 3, channels)
        weight, bias = taps[:, :, None, None], None
        if smooth is not None:
            weight = torch.einsum("tm,mchw->tchw", taps, smooth.weight.detach().double())
            bias = None if smooth.bias is None else taps @ smooth.bias.detach().double()
        self.taps = _conv(weight, bias, (weight.shape[-1] - 1) // 2)
        self.bias = nn.Parameter(torch.zeros(2) if predict.bias is None else predict.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to flow (B, 2, H, W)."""
        y = self.taps(x)
        flow = F.fold(y.float().flatten(2), y.shape[2:], 3, padding=1)  # sums of nine, in float32
        return flow.to(y.dtype) + self.bias.reshape(1, 2, 1, 1)


class Apart(OfParts):
    """A convolution of ``first`` channels and the rest, which lie apart."""

    def __init__(self, conv: nn.Conv2d, first: int) -> None:
        super().__init__()
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        self.first, self.rest = _conv(weight[:, :first], None, 1), _conv(weight[:, first:], bias, 1)

    def forward(self, x: Tensor, rest: Tensor) -> Tensor:
        """The sum of both convolutions."""
        y: Tensor = self.rest(rest) + self.first(x)
        return y


def _conv(weight: Tensor, bias: Tensor | None, padding: int) -> nn.Conv2d:
    """A convolution of these weights, in float32."""
    outputs, inputs, kernel, _ = weight.shape
    with torch.device("meta"):
        conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bias is not None)
    conv.weight = nn.Parameter(weight.float().contiguous())
    if bias is not None:
        conv.bias = nn.Parameter(bias.detach().float().clone())
    return conv
