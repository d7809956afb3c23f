"""The layers of :mod:`models.training.lean_resnet`: what each keeps between its passes, and how it goes forward and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models.training import residual_passes as passes
from models.training.batch_statistics import Statistics, observe
from models.training.buffers import Buffers
from models.training.residual_passes import Gradient, Normal

#: bytes of the maps that a convolution of another kind than 3x3 of stride 1 sees at a time: blocks that the C library keeps when they are freed
CHUNK = 24 << 20


class Pair(NamedTuple):
    """A convolution and the normalisation of its output."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d

    def size(self, shape: Sequence[int]) -> tuple[int, int, int, int]:
        """That of the output for an input of ``shape``."""
        conv = self.conv
        ends = zip(shape[2:], conv.padding, conv.kernel_size, conv.stride)
        height, width = ((length + 2 * int(pad) - kernel) // stride + 1 for length, pad, kernel, stride in ends)
        return shape[0], conv.out_channels, height, width


class Seen(NamedTuple):
    """A map that a block reads: ReLU(``normal``), or ``active``, a sum of which ``normal`` is a part, after ReLU."""

    normal: Normal
    active: Tensor | None = None

    @property
    def map(self) -> Tensor | Normal:
        """As the passes want it."""
        return self.normal if self.active is None else self.active


class Layer:
    """A pair at work on some images: its output ``c`` before the normalisation; after the way back, the gradients ``found``."""

    def __init__(self, pair: Pair, c: Tensor, totals: Tensor) -> None:
        self.pair, self.c = pair, c
        self.statistics: Statistics = observe(pair.norm, totals, c.numel() // c.shape[1])
        self.normal = Normal(c, self.statistics.a, self.statistics.b)
        self.found: list[Tensor] = []

    def gradient(self, g: Tensor, totals: Tensor) -> Gradient:
        """To the output of the convolution, from that of the normalisation and its sums with ``c``."""
        numbers, gain, bias = self.statistics.backward(totals)
        self.found = [gain, bias]
        return Gradient(g, self.c, *numbers)

    def filters(self, weight: Tensor) -> None:
        """The gradient of the weights is found."""
        self.found.insert(0, weight)


class Filters:
    """Weights of 3x3 convolutions in the form of the passes; made again when they have changed."""

    def __init__(self) -> None:
        self._made: dict[tuple[nn.Conv2d, bool], tuple[Tensor, Tensor]] = {}

    def of(self, conv: nn.Conv2d, *, turned: bool = False) -> Tensor:
        """See :func:`passes.filters`."""
        weight, known = conv.weight.detach(), self._made.get((conv, turned))
        if known is None or not torch.equal(known[0], weight):
            known = self._made[conv, turned] = weight.clone(), passes.filters(weight, turned=turned)
        return known[1]


class Tools(NamedTuple):
    """What layers share from step to step."""

    buffers: Buffers
    filters: Filters


def in_chunks(images: int, *maps: Tensor) -> Iterator[slice]:
    """Ranges of images, so many that none of the maps is above CHUNK."""
    step = max(1, CHUNK // max(each[0].numel() * each.element_size() for each in maps))
    return (slice(first, min(first + step, images)) for first in range(0, images, step))


def convolve(pair: Pair, count: int, read: Callable[[slice], Tensor], c: Tensor) -> Layer:
    """A convolution of any kind of the images that ``read`` gives, into ``c``."""
    weight = pair.conv.weight.detach().contiguous(memory_format=torch.channels_last)
    totals = torch.zeros(2, c.shape[1], dtype=torch.float64)
    for chunk in in_chunks(count, c):
        c[chunk] = nn.functional.conv2d(read(chunk), weight, None, pair.conv.stride, pair.conv.padding)
        totals += passes.moments(c[chunk])
    return Layer(pair, c, totals)


def convolve_back(pair: Pair, dc: Tensor, x: Tensor, *, to_inputs: bool) -> tuple[Tensor | None, Tensor]:
    """The gradients of a convolution of any kind, to its inputs if asked and to its weights."""
    conv = pair.conv
    how = (None, conv.stride, conv.padding, conv.dilation, False, [0, 0], 1, [to_inputs, True, False])
    weight = conv.weight.detach().contiguous(memory_format=torch.channels_last)
    found: Any = torch.ops.aten.convolution_backward(dc, x, weight, *how)
    return found[0], found[1]


class Block:
    """A basic block. It reads ``x`` and leaves ``out``; ``shortcut`` where its input is not added as it is."""

    def __init__(self, first: Pair, second: Pair, shortcut: Pair | None, tools: Tools) -> None:
        self.pairs = [pair for pair in (first, second, shortcut) if pair is not None]
        self.tools = tools

    def forward(self, x: Seen) -> BlockPass:
        """To a pass, of which ``out`` is the result."""
        return BlockPass(self, x)


class BlockPass:
    """A block at work on some images."""

    def __init__(self, block: Block, x: Seen) -> None:
        (first, second, *shortcut), (buffers, filters) = block.pairs, block.tools
        self.tools, self.x = block.tools, x
        size = first.size(x.normal.c.shape)
        c = buffers.take(size)
        self.shortcut: Layer | None = None
        if shortcut:
            active = x.active
            assert active is not None
            self.first = convolve(first, size[0], lambda chunk: active[chunk], c)
            self.shortcut = convolve(shortcut[0], size[0], lambda chunk: active[chunk], buffers.take(size))
        else:
            self.first = Layer(first, c, passes.forward(x.map, filters.of(first.conv), c))
        c = buffers.take(size)
        self.second = Layer(second, c, passes.forward(self.first.normal, filters.of(second.conv), c))
        out = buffers.take(size)
        if self.shortcut is not None:
            passes.join(self.second.normal, self.shortcut.normal, out)
        else:
            passes.join(self.second.normal, x.map, out, active=x.active is None)
        self.out = Seen(self.second.normal, out)

    @property
    def layers(self) -> list[Layer]:
        """In the order of the block's pairs."""
        return [self.first, self.second, *([self.shortcut] if self.shortcut is not None else [])]

    def backward(self, g: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient before the ReLU of ``out`` and its sums to the same of ``x``, in whose map it is zero where x is.

        The memory of the pass and of ``g`` is given back.
        """
        buffers, filters = self.tools
        first, second, x = self.first, self.second, self.x
        gradient = second.gradient(g, totals)
        second.filters(passes.derivative(passes.to_filters(first.normal, gradient)))
        g_first, g_x = buffers.take(first.c.shape), buffers.take(x.normal.c.shape)
        turned = filters.of(second.pair.conv, turned=True)
        gradient = first.gradient(g_first, passes.inputs(gradient, turned, g_first, into=first.normal))
        if self.shortcut is not None:
            totals = self._backward_strided(gradient, self.shortcut.gradient(g, passes.mask(g, self.shortcut.c)), g_x)
            buffers.give(self.shortcut.c)
        else:
            first.filters(passes.derivative(passes.to_filters(x.map, gradient)))
            turned = filters.of(first.pair.conv, turned=True)
            totals = passes.inputs(gradient, turned, g_x, into=x.normal, active=x.active, other=g)
        buffers.give(g, g_first, first.c, second.c, x.active)
        return g_x, totals

    def _backward_strided(self, gradient: Gradient, shortcut: Gradient, g_x: Tensor) -> Tensor:
        """Through the convolutions that read ``x`` in a block with a shortcut."""
        x, chunks = self.x, list(in_chunks(len(g_x), g_x, self.first.c))
        dc = self.tools.buffers.take((chunks[0].stop, *self.first.c.shape[1:]))
        assert x.active is not None and self.shortcut is not None
        totals = torch.zeros(2, g_x.shape[1], dtype=torch.float64)
        found: list[list[Tensor]] = [[], []]
        for chunk in chunks:
            parts = []
            for layer, through, weights in ((self.first, gradient, found[0]), (self.shortcut, shortcut, found[1])):
                here = dc[: chunk.stop - chunk.start]
                passes.through(Gradient(through.g[chunk], through.c[chunk], *through[2:]), here)
                to_inputs, to_weights = convolve_back(layer.pair, here, x.active[chunk], to_inputs=True)
                parts.append(to_inputs)
                weights.append(to_weights)
            torch.add(*parts, out=g_x[chunk])
            totals += passes.mask(g_x[chunk], x.normal.c[chunk], x.active[chunk])
        self.first.filters(torch.stack(found[0]).sum(0))
        self.shortcut.filters(torch.stack(found[1]).sum(0))
        self.tools.buffers.give(dc)
        return totals


class Stem:
    """The first convolution and the pooling of a ResNet."""

    def __init__(self, pair: Pair, tools: Tools) -> None:
        self.pair, self.tools = pair, tools

    def forward(self, images: Tensor) -> StemPass:
        """To a pass, of which ``out`` is the result."""
        return StemPass(self, images)


class StemPass:
    """The stem at work on some images, (B, 3, H, W) float32, or uint8 of which a 255th is meant."""

    def __init__(self, stem: Stem, images: Tensor) -> None:
        self.images, self.tools = images, stem.tools
        size, buffers = stem.pair.size(images.shape), stem.tools.buffers
        c = buffers.take(size)
        self.layer = convolve(stem.pair, len(images), self._read, c)
        size = (*size[:2], (size[2] - 1) // 2 + 1, (size[3] - 1) // 2 + 1)
        self.largest, self.index = buffers.take(size), buffers.take(size, torch.uint8)
        passes.pool(self.layer.normal, self.largest, self.index)
        buffers.give(c)  # computed again on the way back
        self.out = Seen(Normal(self.largest, *self.layer.normal[1:]))

    def backward(self, g: Tensor, totals: Tensor) -> None:
        """From the gradient before the ReLU of ``out`` and its sums. The memory of the pass and of ``g`` is given back."""
        gradient, pair, buffers = self.layer.gradient(g, totals), self.layer.pair, self.tools.buffers
        weight = pair.conv.weight.detach().contiguous(memory_format=torch.channels_last)
        found = torch.zeros_like(weight)
        for chunk in in_chunks(len(self.images), self.images, self.layer.c):
            images = self._read(chunk)
            c = nn.functional.conv2d(images, weight, None, pair.conv.stride, pair.conv.padding)
            passes.unpool(c, g[chunk], self.index[chunk], gradient[2:])
            found += convolve_back(pair, c, images, to_inputs=False)[1]
        self.layer.filters(found)
        buffers.give(g, self.largest, self.index)

    def _read(self, chunk: slice) -> Tensor:
        images = self.images[chunk]
        images = images.float() / 255 if images.dtype == torch.uint8 else images
        return images.contiguous(memory_format=torch.channels_last)
