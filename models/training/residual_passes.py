"""The passes of ``residual.c`` over maps (N, C, H, W), float32 on a CPU, channels last: shared among the threads that PyTorch uses.

Every thread takes some of the images. Numbers a channel are float32 (C,); totals are float64 (2, C). Filters are in the form that
:func:`filters` gives them, of which :func:`derivative` is the way back.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from models.inference.runtimes.native import load

SOURCE = Path(__file__).with_name("residual.c")
#: of which the numbers of channels are a multiple
CHANNELS = 32
#: floats of a vector: of no use to a processor, or a compiler, that knows shorter ones only
NARROWEST = 8
POINTS = 36


class Normal(NamedTuple):
    """What a normalisation makes of a raw map c: a c + b."""

    c: Tensor
    a: Tensor
    b: Tensor


class Gradient(NamedTuple):
    """The gradient a g + b c + d to a raw map c, from that to its normalised form, g."""

    g: Tensor
    c: Tensor
    a: Tensor
    b: Tensor
    d: Tensor


@functools.cache
def library() -> ctypes.CDLL | str:
    """The compiled functions; without a compiler that works, or on a processor without AVX2, the reason why there are none, in words."""
    try:
        functions = load(SOURCE)
    except OSError as error:
        return str(error)
    functions.residual_scratch.restype = ctypes.c_int64
    return functions if functions.winograd_width() >= NARROWEST else "the processor has no AVX2"


def filters(weight: Tensor, *, turned: bool = False) -> Tensor:
    """Weights (K, C, 3, 3) for :func:`forward`; or, ``turned``, for :func:`inputs`."""
    weight = weight.detach().flip(2, 3) if turned else weight.detach().transpose(0, 1)  # inputs, outputs, 3, 3
    panel = _functions().residual_panel()
    panels = weight.permute(2, 3, 1, 0).unflatten(2, (-1, panel)).transpose(3, 4)  # 3, 3, panels, inputs, panel
    return _transform() @ panels.reshape(9, -1)


def derivative(sums: Tensor) -> Tensor:
    """What :func:`to_filters` found, (36, C, K), as a gradient (K, C, 3, 3)."""
    found = _transform().t() @ sums.flatten(1)
    return found.view(3, 3, *sums.shape[1:]).permute(3, 2, 0, 1).contiguous()


def forward(x: Tensor | Normal, u: Tensor, y: Tensor) -> Tensor:
    """y = the 3x3 convolution of x, or of ReLU(x) if it is :class:`Normal`. Totals: sums of y and of its squares."""
    c, *numbers = x if isinstance(x, Normal) else (x, None, None)
    lot = _lot(c.shape[1] // 2, 24, 192)
    return _run(
        "forward", c, *numbers, Each.IMAGES, *_size(c), u, y, y.shape[1], Each.TOTALS, lot, Each.SCRATCH, like=y, lot=lot, depth=c.shape[1]
    )


def inputs(
    gradient: Gradient, u: Tensor, y: Tensor, *, into: Normal | None = None, active: Tensor | None = None, other: Tensor | None = None
) -> Tensor:
    """y = the gradient to the inputs of a 3x3 convolution with ``turned`` filters u, plus ``other``.

    The inputs were ReLU(``into``), or, if it is given, ``active``, of which ``into`` is a part; y is zero where they were. Totals: sums of y and
    of its products with the raw map of ``into``.
    """
    c, *numbers = into or (None, None, None)
    if active is not None:
        numbers = [None, None]
    lot = _lot(gradient.c.shape[1] // 2, 24, 192)
    how = (other, c, *numbers, active, y, y.shape[1], Each.TOTALS, lot, Each.SCRATCH)
    return _run("inputs", *gradient, Each.IMAGES, *_size(gradient.c), u, *how, like=y, lot=lot, depth=gradient.c.shape[1])


def to_filters(x: Tensor | Normal, gradient: Gradient) -> Tensor:
    """The gradient to the filters of the 3x3 convolution of x as in :func:`forward`, (36, C, K): see :func:`derivative`."""
    c, *numbers = x if isinstance(x, Normal) else (x, None, None)
    outputs = gradient.c.shape[1]
    lot = _lot(min(c.shape[1], outputs), 32, 192)
    how = (Each.IMAGES, *_size(c), outputs, Each.SUMS, lot, Each.SCRATCH)
    return _run("filters", c, *numbers, *gradient, *how, like=gradient.c, lot=lot, depth=c.shape[1], sums=(POINTS, c.shape[1], outputs))


def moments(c: Tensor) -> Tensor:
    """Totals: sums of c and of its squares."""
    return _run("moments", c, Each.PIXELS, c.shape[1], Each.TOTALS, Each.SCRATCH, like=c)


def join(x: Normal, other: Tensor | Normal, y: Tensor, *, active: bool = False) -> None:
    """y = ReLU(x + other), or ReLU(x + ReLU(other)) if that is ``active``."""
    numbers = other if isinstance(other, Normal) else (other, None, None)
    _run("join", *x, *numbers, active, y, Each.PIXELS, y.shape[1], like=y)


def mask(g: Tensor, c: Tensor, active: Tensor | None = None) -> Tensor:
    """Set g to zero where ``active`` is. Totals: sums of g and of g c."""
    return _run("mask", g, active, c, Each.PIXELS, c.shape[1], Each.TOTALS, Each.SCRATCH, like=c)


def through(gradient: Gradient, y: Tensor) -> None:
    """y = the gradient."""
    _run("through", *gradient, y, Each.PIXELS, y.shape[1], like=y)


def pool(x: Normal, y: Tensor, index: Tensor) -> None:
    """Raw values of the largest of x in windows of 3x3, stride 2, padding 1; ``index`` (uint8): which of the nine, row by row."""
    _run("pool", x.c, x.a, Each.IMAGES, *_size(x.c), y, index, like=y)


def unpool(c: Tensor, g: Tensor, index: Tensor, numbers: Sequence[Tensor]) -> None:
    """c, the raw map that :func:`pool` saw, becomes its gradient; a, b and d of :class:`Gradient` are the numbers, g is what came out's."""
    _run("unpool", c, g, index, *numbers, Each.IMAGES, *_size(c), like=c)


class Each(Enum):
    """An argument that differs between threads."""

    IMAGES = "how many images"
    PIXELS = "how many pixels"
    TOTALS = "float64 (2, channels), zeros before"
    SUMS = "float32 of some shape, zeros before"
    SCRATCH = "floats to write on"


def _run(name: str, *arguments: object, like: Tensor, lot: int = 0, depth: int = 0, sums: tuple[int, ...] = ()) -> Tensor:
    """Call ``residual_<name>`` in every thread, and return the totals, or the sums if they have a shape.

    ``like`` is a map with as many images as all others, and with channels as the totals. A map among the arguments stands for the images of
    the thread.
    """
    function = getattr(_functions(), f"residual_{name}")
    images, channels, height, width = like.shape
    parts = _parts(images)
    found = torch.zeros((len(parts), *sums)) if sums else torch.zeros((len(parts), 2, channels), dtype=torch.float64)
    size = _functions().residual_scratch(depth, channels, lot)

    def work(number: int) -> None:
        first, last = parts[number]
        scratch = torch.empty(size)
        each = {
            Each.IMAGES: last - first,
            Each.PIXELS: ctypes.c_int64((last - first) * height * width),
            Each.TOTALS: ctypes.c_void_p(found[number].data_ptr()),
            Each.SUMS: ctypes.c_void_p(found[number].data_ptr()),
            Each.SCRATCH: ctypes.c_void_p(scratch.data_ptr()),
        }
        function(*(each[a] if isinstance(a, Each) else _place(a, first) if a is None or isinstance(a, Tensor) else a for a in arguments))

    if len(parts) == 1:
        work(0)
    else:
        list(_threads(len(parts)).map(work, range(len(parts))))
    return found.sum(0) if len(parts) > 1 else found[0]


def _parts(images: int) -> list[tuple[int, int]]:
    """First and last + 1 image of every thread."""
    count = min(images, torch.get_num_threads())
    return [(images * n // count, images * (n + 1) // count) for n in range(count)]


def _place(tensor: Tensor | None, image: int) -> ctypes.c_void_p:
    """Where a tensor lies, or a map's ``image``."""
    if tensor is None:
        return ctypes.c_void_p(None)
    if tensor.dim() == 4:
        assert tensor.is_contiguous(memory_format=torch.channels_last)
        return ctypes.c_void_p(tensor.data_ptr() + image * tensor[0].numel() * tensor.element_size())
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())


def _size(c: Tensor) -> tuple[int, int, int]:
    return c.shape[2], c.shape[3], c.shape[1]


def _lot(channels: int, little: int, large: int) -> int:
    """Tiles of a lot: more of them where filters are large, as these are read once a lot."""
    return little if channels <= 128 else large


def _functions() -> ctypes.CDLL:
    functions = library()
    assert not isinstance(functions, str), functions
    return functions


@functools.cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "residual")


@functools.cache
def _transform() -> Tensor:
    """Winograd's G at both sides of a filter: (36, 9)."""
    points = torch.tensor([0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)], dtype=torch.float64)
    apart = points[:, None] - points + torch.eye(5, dtype=torch.float64)
    rows = torch.stack([points**0, points, points**2], 1) / apart.prod(1, keepdim=True)
    g = torch.cat([rows, torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)])
    return torch.kron(g, g).float()
