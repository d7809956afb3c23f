"""The layers of :mod:`models.training.lean_resnet`: what each keeps between its passes, and how it goes forward and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models.training import residual_passes as passes
from models.training.batch_statistics import Statistics, observe
from models.training.buffers import Buffers
from models.training.residual_passes import Gradient, Normal

#: bytes of the maps that a convolution of another kind than 3x3 of stride 1 sees at a time: such blocks stay with the C library when freed
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

    def apply(self, x: Tensor) -> Tensor:
        """The convolution."""
        return nn.functional.conv2d(x, self._weight(), None, self.conv.stride, self.conv.padding)

    def back(self, dc: Tensor, x: Tensor, *, to_inputs: bool) -> tuple[Tensor | None, Tensor]:
        """The gradients of the convolution, to its inputs if asked and to its weights."""
        conv = self.conv
        how = (None, conv.stride, conv.padding, conv.dilation, False, [0, 0], 1, [to_inputs, True, False])
        found: Any = torch.ops.aten.convolution_backward(dc, x, self._weight(), *how)
        return found[0], found[1]

    def _weight(self) -> Tensor:
        return self.conv.weight.detach().contiguous(memory_format=torch.channels_last)


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

    def __init__(self, pair: Pair, c: Tensor, totals: Tensor, count: int) -> None:
        """``totals``: sums of ``count`` values a channel, and of their squares."""
        self.pair, self.c = pair, c
        self.statistics: Statistics = observe(pair.norm, totals, count)
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


def in_chunks(images: int, *sizes: int) -> Iterator[slice]:
    """Ranges of images, so many that no map of so many bytes an image is above CHUNK."""
    step = max(1, CHUNK // max(sizes))
    return (slice(first, min(first + step, images)) for first in range(0, images, step))


def bytes_of(c: Tensor) -> int:
    """Bytes of an image of a map."""
    return c[0].numel() * c.element_size()


def convolve(pair: Pair, x: Tensor, c: Tensor) -> Layer:
    """A convolution of any kind of x, into ``c``."""
    totals = torch.zeros(2, c.shape[1], dtype=torch.float64)
    for chunk in in_chunks(len(x), bytes_of(x), bytes_of(c)):
        c[chunk] = pair.apply(x[chunk])
        totals += passes.moments(c[chunk])
    return Layer(pair, c, totals, c.numel() // c.shape[1])


class Block:
    """A basic block. It reads ``x`` and leaves ``out``; ``shortcut`` where its input is not added as it is."""

    def __init__(self, first: Pair, second: Pair, shortcut: Pair | None, buffers: Buffers) -> None:
        self.pairs = [pair for pair in (first, second, shortcut) if pair is not None]
        self.buffers = buffers

    def forward(self, x: Seen) -> BlockPass:
        """To a pass, of which ``out`` is the result."""
        return BlockPass(self, x)


class BlockPass:
    """A block at work on some images."""

    forgotten = False

    def __init__(self, block: Block, x: Seen) -> None:
        (first, second, *shortcut), buffers = block.pairs, block.buffers
        self.buffers, self.x = buffers, x
        size = first.size(x.normal.c.shape)
        count = size[0] * size[2] * size[3]
        c = buffers.take(size)
        self.shortcut: Layer | None = None
        if shortcut:
            assert x.active is not None
            self.first = convolve(first, x.active, c)
            self.shortcut = convolve(shortcut[0], x.active, buffers.take(size))
        else:
            self.first = Layer(first, c, passes.forward(x.map, passes.filters(first.conv.weight), c), count)
        c = buffers.take(size)
        self.second = Layer(second, c, passes.forward(self.first.normal, passes.filters(second.conv.weight), c), count)
        self.out = self._join()

    def _join(self) -> Seen:
        out = self.buffers.take(self.second.c.shape)
        if self.shortcut is not None:
            passes.join(self.second.normal, self.shortcut.normal, out)
        else:
            passes.join(self.second.normal, self.x.map, out, active=self.x.active is None)
        return Seen(self.second.normal, out)

    def forget(self) -> None:
        """Give back the memory of ``out``, until it is remembered: it is one sum away from ``x``, which must still be there then."""
        self.buffers.give(self.out.active)
        self.forgotten = True

    def remember(self) -> Seen:
        """``out``."""
        if self.forgotten:
            self.out, self.forgotten = self._join(), False
        return self.out

    @property
    def layers(self) -> list[Layer]:
        """In the order of the block's pairs."""
        return [self.first, self.second, *([self.shortcut] if self.shortcut is not None else [])]

    def backward(self, x: Seen, g: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient before the ReLU of ``out`` and its sums to the same of ``x``, the input, which is zero where x is.

        The memory of the pass, of ``g`` and of a sum ``x`` is given back.
        """
        buffers = self.buffers
        first, second = self.first, self.second
        gradient = second.gradient(g, totals)
        second.filters(passes.derivative(passes.to_filters(first.normal, gradient)))
        g_first = buffers.take(first.c.shape)
        turned = passes.filters(second.pair.conv.weight, turned=True)
        gradient = first.gradient(g_first, passes.inputs(gradient, turned, g_first, into=first.normal))
        if self.shortcut is not None:
            g_x = buffers.take(x.normal.c.shape)
            totals = self._backward_strided(x, gradient, self.shortcut.gradient(g, passes.mask(g, self.shortcut.c)), g_x)
            buffers.give(g, self.shortcut.c)
        else:
            g_x = g  # every place is read for the last time when it is written
            first.filters(passes.derivative(passes.to_filters(x.map, gradient)))
            turned = passes.filters(first.pair.conv.weight, turned=True)
            totals = passes.inputs(gradient, turned, g_x, into=x.normal, active=x.active, other=g)
        buffers.give(g_first, first.c, second.c, x.active)
        return g_x, totals

    def _backward_strided(self, x: Seen, gradient: Gradient, shortcut: Gradient, g_x: Tensor) -> Tensor:
        """Through the convolutions that read ``x`` in a block with a shortcut."""
        chunks = list(in_chunks(len(g_x), bytes_of(g_x), bytes_of(self.first.c)))
        dc = self.buffers.take((chunks[0].stop, *self.first.c.shape[1:]))
        assert x.active is not None and self.shortcut is not None
        totals = torch.zeros(2, g_x.shape[1], dtype=torch.float64)
        found: list[list[Tensor]] = [[], []]
        for chunk in chunks:
            parts = []
            for layer, through, weights in ((self.first, gradient, found[0]), (self.shortcut, shortcut, found[1])):
                here = dc[: chunk.stop - chunk.start]
                passes.through(Gradient(through.g[chunk], through.c[chunk], *through[2:]), here)
                to_inputs, to_weights = layer.pair.back(here, x.active[chunk], to_inputs=True)
                parts.append(to_inputs)
                weights.append(to_weights)
            torch.add(*parts, out=g_x[chunk])
            totals += passes.mask(g_x[chunk], x.normal.c[chunk], x.active[chunk])
        self.first.filters(torch.stack(found[0]).sum(0))
        self.shortcut.filters(torch.stack(found[1]).sum(0))
        self.buffers.give(dc)
        return totals


class Stem:
    """The first convolution and the pooling of a ResNet."""

    def __init__(self, pair: Pair, buffers: Buffers) -> None:
        self.pair, self.buffers = pair, buffers

    def forward(self, images: Tensor) -> StemPass:
        """To a pass, of which ``out`` is the result."""
        return StemPass(self, images)


class StemPass:
    """The stem at work on some images, (B, 3, H, W) float32, or uint8 of which a 255th is meant.

    The output of its convolution, the largest map of all, is there in chunks only, and computed again on the way back.
    """

    def __init__(self, stem: Stem, images: Tensor) -> None:
        self.images, self.buffers, pair = images, stem.buffers, stem.pair
        n, channels, height, width = self.size = pair.size(images.shape)
        pooled = n, channels, (height - 1) // 2 + 1, (width - 1) // 2 + 1
        self.largest, self.index = stem.buffers.take(pooled), stem.buffers.take(pooled, torch.uint8)
        gain = pair.norm.weight.detach()  # its sign says which value is the largest, before the statistics are known
        totals = torch.zeros(2, channels, dtype=torch.float64)
        for chunk in self._chunks():
            c = stem.pair.apply(self._read(chunk))
            totals += passes.moments(c)
            passes.pool(Normal(c, gain, gain), self.largest[chunk], self.index[chunk])
        self.layer = Layer(pair, self.largest, totals, n * height * width)
        self.out = Seen(Normal(self.largest, *self.layer.normal[1:]))

    def backward(self, g: Tensor, totals: Tensor) -> None:
        """From the gradient before the ReLU of ``out`` and its sums. The memory of the pass and of ``g`` is given back."""
        gradient, pair, buffers = self.layer.gradient(g, totals), self.layer.pair, self.buffers
        found = torch.zeros_like(pair.conv.weight)
        for chunk in self._chunks():
            images = self._read(chunk)
            c = pair.apply(images)
            passes.unpool(c, g[chunk], self.index[chunk], gradient[2:])
            found += pair.back(c, images, to_inputs=False)[1]
        self.layer.filters(found)
        buffers.give(g, self.largest, self.index)

    def _chunks(self) -> Iterator[slice]:
        return in_chunks(len(self.images), 4 * prod(self.size[1:]))

    def _read(self, chunk: slice) -> Tensor:
        images = self.images[chunk]
        images = images.float() / 255 if images.dtype == torch.uint8 else images
        return images.contiguous(memory_format=torch.channels_last)
