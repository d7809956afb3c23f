"""``eager`` with 3x3 convolutions by Winograd's F(4x4, 3x3): a quarter of their multiplications. Needs a C compiler.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. PyTorch's CPU libraries have no such kernel, and it
pays: nearly half of a ResNet-101 is 3x3 convolutions of stride 1, most of a 3-D ResNet-18 or an I3D is 3x3x3 ones. The arithmetic is in
``winograd.c``; the error is that of other orders of summing (2e-6 of the largest output, 1e-6 without). A convolution of 5x5 and
stride 2, of which flow networks have several, is one of 3x3 on cells of 2x2 pixels.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cache.errors import ConfigError
from models.inference.runtimes import eager
from models.inference.runtimes.activations import NONE, RELU, After
from models.inference.runtimes.native import compiler_version, load
from models.inference.runtimes.packed import LAYOUTS, Fused, can_pack

SOURCE = Path(__file__).with_name("winograd.c")
#: of which the numbers of channels are a multiple: the widest vectors
CHANNELS = 16
#: tiles of a batch below which reading the filters, four times as many numbers as before, takes more than is saved
FEWEST_TILES = 4
#: floats of a vector: of no use to a processor, or a compiler, that knows shorter ones only
NARROWEST = 8


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int) -> Callable[[Tensor], Tensor]:
    """See :func:`models.inference.runtimes.prepare`. ConfigError says why this machine cannot do it."""
    found = library()
    if precision != "float32" or not can_pack(example.device, torch.float32):
        found = f"it computes in float32 on a CPU, not in {precision} on {example.device}"
    if isinstance(found, str):
        raise ConfigError(f"runtime=winograd cannot be used here: {found}", hint="runtime=eager needs no compiler")
    return eager.prepare(net, example, precision, lanes, special)


def special(conv: nn.Conv2d | nn.Conv3d, size: Sequence[int]) -> Fused | None:
    """What takes the place of ``conv`` on inputs of ``size``, None if Winograd's algorithm does not suit it."""
    if suits(conv, size):
        return WinogradConvolution(conv)
    whole = unstrided(conv, size)
    return None if whole is None else UnstridedConvolution(whole)


def compiled_by() -> str:
    """See :func:`models.inference.runtimes.processor`."""
    return compiler_version()


@functools.cache
def library() -> ctypes.CDLL | str:
    """The compiled functions; without a compiler that works, or on a processor without AVX2, the reason why there are none, in words."""
    try:
        functions = load(SOURCE)
    except OSError as error:
        return str(error)
    if functions.winograd_width() < NARROWEST:
        return "the processor has no AVX2"
    functions.winograd_filters_size.restype = functions.winograd_scratch_size.restype = ctypes.c_int64
    pointer, number = ctypes.c_void_p, ctypes.c_int
    functions.winograd_filters.argtypes = [pointer, number, number, number, pointer]
    maps, filters, act = [pointer, *[number] * 5], [pointer, *[number] * 3, pointer], [pointer, number]
    functions.winograd_convolve.argtypes = [*maps, *filters, *act, pointer, number, pointer]
    functions.winograd_filters.restype = functions.winograd_convolve.restype = None
    return functions


def suits(conv: nn.Conv2d | nn.Conv3d, size: Sequence[int]) -> bool:
    """Whether ``conv`` on inputs (B, C, [T,] H, W) of ``size`` is of the kind, and saves half of the multiplications."""
    if conv.weight.dtype != torch.float32 or conv.padding_mode != "zeros" or conv.groups != 1 or isinstance(conv.padding, str):
        return False
    if {*conv.stride, *conv.dilation} != {1} or conv.in_channels % CHANNELS or conv.out_channels % CHANNELS:
        return False
    (*taps, across, down), (*ends, side, top) = conv.kernel_size, conv.padding
    if (across, down) != (3, 3) or (side, top) not in ((0, 0), (1, 1)) or (*taps, *ends) not in ((), (1, 0), (3, 0), (3, 1)):
        return False
    height, width = (length + 2 * side - 2 for length in size[-2:])
    tiles = -(-height // 4) * -(-width // 4)
    images = size[0] * (size[2] + 2 * ends[0] - taps[0] + 1 if taps else 1)
    return images * tiles >= FEWEST_TILES and 2 * 36 * tiles <= 9 * height * width


def unstrided(conv: nn.Conv2d | nn.Conv3d, size: Sequence[int]) -> nn.Conv2d | None:
    """A 5x5 convolution of stride 2 as one of 3x3 on cells of 2x2 pixels, four times the channels; None if it is none, or does not suit."""
    if not isinstance(conv, nn.Conv2d) or (conv.kernel_size, conv.stride, conv.padding) != ((5, 5), (2, 2), (2, 2)):
        return None
    if {*conv.dilation, conv.groups} != {1} or conv.padding_mode != "zeros" or size[2] % 2 or size[3] % 2:
        return None
    with torch.device("meta"):
        whole = nn.Conv2d(4 * conv.in_channels, conv.out_channels, 3, padding=1, bias=conv.bias is not None)
    if not suits(whole, (size[0], whole.in_channels, size[2] // 2, size[3] // 2)):
        return None
    taps = nn.functional.pad(conv.weight.detach(), (0, 1, 0, 1)).unflatten(3, (3, 2)).unflatten(2, (3, 2))  # O, C, 3, row, 3, column
    whole.weight = nn.Parameter(taps.permute(0, 3, 5, 1, 2, 4).flatten(1, 3).contiguous(), requires_grad=False)
    whole.bias = conv.bias
    return whole


class WinogradConvolution(Fused):
    """A convolution that :func:`suits`."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        functions = library()
        assert not isinstance(functions, str)
        self.kernel_size, self.stride = conv.kernel_size, conv.stride  # some networks pad by them
        self._functions, self._inputs, self._outputs = functions, conv.in_channels, conv.out_channels
        solid = isinstance(conv, nn.Conv3d)
        self._taps, self._ends, self._side = conv.kernel_size[0] if solid else 1, conv.padding[0] if solid else 0, int(conv.padding[-1])
        self._sizes = self._inputs, self._outputs, self._taps
        weight, bias = conv.weight.detach().contiguous(), conv.bias
        filters = torch.zeros(functions.winograd_filters_size(*self._sizes))
        functions.winograd_filters(weight.data_ptr(), *self._sizes, filters.data_ptr())
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("bias", torch.zeros(self._outputs) if bias is None else bias.detach().contiguous(), persistent=False)

    def forward(self, x: Tensor, other: Tensor | None = None, after: After = NONE) -> Tensor:
        """See :class:`models.inference.runtimes.packed.Fused`."""
        layout = LAYOUTS[x.dim()]
        x = x.contiguous(memory_format=layout)
        clips, _, *frames, height, width = x.shape
        shape = (
            clips,
            self._outputs,
            *(n + 2 * self._ends - self._taps + 1 for n in frames),
            *(n + 2 * self._side - 2 for n in (height, width)),
        )
        y = torch.empty(shape, memory_format=layout) if other is None else other.contiguous(memory_format=layout)
        scratch = torch.empty(self._functions.winograd_scratch_size(*self._sizes))
        self._functions.winograd_convolve(
            *(x.data_ptr(), clips, *(frames or [1]), height, width, self._inputs),
            *(self.filters.data_ptr(), self._taps, self._ends, self._side, self.bias.data_ptr()),
            *(None if other is None else y.data_ptr(), after == RELU),
            *(y.data_ptr(), self._outputs, scratch.data_ptr()),
        )
        return y if after == RELU else after(y)


class UnstridedConvolution(WinogradConvolution):
    """A convolution of stride 2 that :func:`unstrided` has made one of stride 1."""

    def forward(self, x: Tensor, other: Tensor | None = None, after: After = NONE) -> Tensor:
        """See :class:`models.inference.runtimes.packed.Fused`."""
        batch, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
        cells = pixels.transpose(2, 3).reshape(batch, height // 2, width // 2, 4 * channels)
        return super().forward(cells.permute(0, 3, 1, 2), other, after)
