"""A ResNet of basic blocks in training on a CPU: the numbers of the module itself, in less than half of its time and memory.

What is kept for the way back is the output of every convolution and the sum that ends every block. Normalisation and ReLU are computed
where their result is read, and their gradients where those are made (``residual.c``): neither takes a pass over memory, or a map. The
first convolution's output, a quarter of all, is computed twice. Batch statistics are those of all images, running statistics move as in
the module.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torchvision.models.resnet import BasicBlock

from models.training import residual_passes as passes
from models.training.buffers import Buffers
from models.training.lean_layers import Block, BlockPass, Filters, Layer, Pair, Stem, StemPass, Tools


class LeanResNet:
    """The trunk ``module``, whose parameters and running statistics are used and moved in place; it has no state of its own.

    ``module`` is a ``ResNet2D``, or its children in a ``Sequential``: see :func:`lean`. Memory of a step is kept for the next.
    """

    def __init__(self, module: nn.Module) -> None:
        conv, norm, _, _, *stages = list(module.children())[:8]
        self.buffers = Buffers()
        tools = Tools(self.buffers, Filters())
        self.stem = Stem(Pair(conv, norm), tools)  # type: ignore[arg-type]
        blocks: list[Any] = [block for stage in stages for block in stage.children()]
        self.blocks = [_block(block, tools) for block in blocks]
        self.pairs = [self.stem.pair, *(pair for block in self.blocks for pair in block.pairs)]

    def suits(self, images: Tensor) -> bool:
        """Whether this is a pass that it can do: one of a training, of float32 (or uint8) images on a CPU, without autocast."""
        where = {tensor.device.type for pair in self.pairs for tensor in (pair.conv.weight, pair.norm.weight, images)}
        kinds = {pair.conv.weight.dtype for pair in self.pairs}
        training = torch.is_grad_enabled() and all(pair.norm.training for pair in self.pairs) and not images.requires_grad
        usual = where == {"cpu"} and kinds == {torch.float32} and images.dtype in (torch.float32, torch.uint8)
        return training and usual and not torch.is_autocast_enabled("cpu")

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), float32, or uint8 of which a 255th is meant, to the last map (B, V, h, w). Images get no gradient."""
        result: Tensor = _Run.apply(
            self, images, *(weight for conv, norm in self.pairs for weight in (conv.weight, norm.weight, norm.bias))
        )
        return result


def lean(module: nn.Module) -> LeanResNet | None:
    """The same trunk in lean form; None if it is none of basic blocks, or there is no C compiler or no AVX2."""
    children = list(module.children())[:8]
    if (
        len(children) < 8
        or not isinstance(children[3], nn.MaxPool2d)
        or not all(isinstance(stage, nn.Sequential) for stage in children[4:])
    ):
        return None
    pool, blocks = children[3], [block for stage in children[4:] for block in stage.children()]
    if (pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode) != (3, 2, 1, 1, False):
        return None
    if not all(type(block) is BasicBlock for block in blocks) or blocks[0].downsample is not None:
        return None
    net = LeanResNet(module)
    inner = [pair.conv for block in net.blocks for pair in (block.pairs if len(block.pairs) == 2 else block.pairs[1:2])]
    fits = all(_plain(pair) for pair in net.pairs) and all(_narrow(conv) for conv in inner)
    return net if fits and not isinstance(passes.library(), str) else None


class _Run(torch.autograd.Function):
    """A pass of a :class:`LeanResNet`. Its parameters are arguments so that they get their gradients."""

    @staticmethod
    def forward(ctx: Any, net: LeanResNet, images: Tensor, *weights: Tensor) -> Tensor:
        ctx.stem, ctx.blocks = net.stem.forward(images), []
        seen = ctx.stem.out
        for block in net.blocks:
            ctx.blocks.append(block.forward(seen))
            seen = ctx.blocks[-1].out
        ctx.save_for_backward(*weights)  # so that a change in between is noticed
        last: Tensor = seen.active
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors
        stem: StemPass = ctx.stem
        passed: list[BlockPass] = ctx.blocks
        if not passed:
            raise RuntimeError("the way back through a LeanResNet can be taken once")
        last = passed[-1].out
        g = grad.clone(memory_format=torch.channels_last)
        totals = passes.mask(g, last.normal.c, last.active)
        layers: list[Layer] = []
        while passed:
            block = passed.pop()
            g, totals = block.backward(g, totals)
            layers = [*block.layers, *layers]
        stem.backward(g, totals)
        return None, None, *(found for layer in (stem.layer, *layers) for found in layer.found)


def _block(block: BasicBlock, tools: Tools) -> Block:
    shortcut = None if block.downsample is None else Pair(*block.downsample.children())
    return Block(Pair(block.conv1, block.bn1), Pair(block.conv2, block.bn2), shortcut, tools)  # type: ignore[arg-type]


def _plain(pair: Pair) -> bool:
    conv, norm = pair
    if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
        return False
    usual = conv.bias is None and conv.groups == 1 and set(conv.dilation) == {1} and conv.padding_mode == "zeros"
    return usual and conv.out_channels % passes.CHANNELS == 0 and norm.affine and norm.track_running_stats


def _narrow(conv: nn.Conv2d) -> bool:
    return (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
