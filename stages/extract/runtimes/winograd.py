"""3x3 convolutions by Winograd's F(4x4, 3x3): a quarter of the multiplications, where a C compiler is at hand.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. PyTorch's CPU libraries have no such kernel, and it
pays: half of a ResNet-101 is 3x3 convolutions of stride 1. The arithmetic is in ``winograd.c``; the error is that of other orders of
summing (2e-6 of the largest output, 1e-6 without).
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stages.extract.runtimes.native import load

SOURCE = Path(__file__).with_name("winograd.c")
#: of which the channels are a multiple: the panels of the widest vectors
CHANNELS = 32
#: below, the transforms of the tiles take more than is saved
FEWEST_CHANNELS = 64
#: tiles of a batch below which reading the filters, four times as many numbers as before, takes more than is saved
FEWEST_TILES = 12
#: floats of a vector: of no use to a processor, or a compiler, that knows shorter ones only
NARROWEST = 8


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled functions; None without a compiler, or on a processor without AVX2."""
    functions = load(SOURCE)
    if functions is None or functions.winograd_width() < NARROWEST:
        return None
    functions.winograd_filters_size.restype = functions.winograd_scratch_size.restype = ctypes.c_int64
    pointer, number = ctypes.c_void_p, ctypes.c_int
    functions.winograd_filters.argtypes = [pointer, number, number, pointer]
    functions.winograd_convolve.argtypes = [pointer, *[number] * 4, pointer, pointer, pointer, number, pointer, number, pointer]
    functions.winograd_filters.restype = functions.winograd_convolve.restype = None
    return functions


def suits(conv: nn.Conv2d | nn.Conv3d, size: Sequence[int]) -> bool:
    """Whether ``conv`` on inputs (B, C, H, W) of ``size`` is of the kind, saves half of the multiplications, and can be compiled."""
    if not isinstance(conv, nn.Conv2d) or conv.weight.dtype != torch.float32 or conv.padding_mode != "zeros" or conv.groups != 1:
        return False
    if (conv.kernel_size, conv.stride, conv.padding, conv.dilation) != ((3, 3), (1, 1), (1, 1), (1, 1)):
        return False
    batch, _, height, width = size
    tiles = -(-height // 4) * -(-width // 4)
    if any(channels % CHANNELS or channels < FEWEST_CHANNELS for channels in (conv.in_channels, conv.out_channels)):
        return False
    return batch * tiles >= FEWEST_TILES and 2 * 36 * tiles <= 9 * height * width and library() is not None


class WinogradConvolution(nn.Module):
    """A convolution that :func:`suits`, called as :class:`stages.extract.runtimes.packed.PackedConvolution` is."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        functions = library()
        assert functions is not None
        self._inputs, self._outputs, self._functions = conv.in_channels, conv.out_channels, functions
        weight, bias = conv.weight.detach().contiguous(), conv.bias
        filters = torch.empty(functions.winograd_filters_size(self._inputs, self._outputs))
        functions.winograd_filters(weight.data_ptr(), self._inputs, self._outputs, filters.data_ptr())
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("bias", torch.zeros(self._outputs) if bias is None else bias.detach().contiguous(), persistent=False)

    def forward(self, x: Tensor, other: Tensor | None = None, after: str = "none") -> Tensor:
        """``after(convolution(x) + other)``, ``after`` being "none" or "relu"; the result takes the place of ``other``."""
        x = x.contiguous(memory_format=torch.channels_last)
        batch, _, height, width = x.shape
        shape = (batch, self._outputs, height, width)
        y = torch.empty(shape, memory_format=torch.channels_last) if other is None else other.contiguous(memory_format=torch.channels_last)
        scratch = torch.empty(self._functions.winograd_scratch_size(self._inputs, self._outputs))
        self._functions.winograd_convolve(
            x.data_ptr(),
            batch,
            height,
            width,
            self._inputs,
            self.filters.data_ptr(),
            self.bias.data_ptr(),
            None if other is None else y.data_ptr(),
            after == "relu",
            y.data_ptr(),
            self._outputs,
            scratch.data_ptr(),
        )
        return y
