"""A ResNet of basic blocks in training on a CPU: the numbers of the module itself, in less than half of its time and memory.

What is kept for the way back is the output of every convolution and the sum that ends every block. Normalisation and ReLU are computed
where their result is read, and their gradients where those are made (``residual.c``): neither takes a pass over memory, or a map. The
first convolution's output, a quarter of all, is computed twice. Batch statistics are those of all images, running statistics move as in
the module. ``suits`` says whether a trunk and its images can be had that way; if not, the module itself computes.
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

    ``module`` is a ``ResNet2D``, or its children in a ``Sequential``. Memory of a step is kept for the next.
    """

    def __init__(self, module: nn.Module) -> None:
        conv, norm, _, _, *stages = list(module.children())[:8]
        tools = Tools(Buffers(), Filters())
        self.stem = Stem(Pair(conv, norm), tools)  # type: ignore[arg-type]
        blocks: list[Any] = [block for stage in stages for block in stage.children()]
        self.blocks = [_block(block, tools) for block in blocks]
        self.pairs = [self.stem.pair, *(pair for block in self.blocks for pair in block.pairs)]

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), float32, or uint8 of which a 255th is meant, to the last map (B, V, h, w). Images get no gradient."""
        result: Tensor = _Run.apply(self, images, *(weight for conv, norm in self.pairs for weight in (conv.weight, norm.weight, norm.bias)))
        return result


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


def suits(module: nn.Module, images: Tensor) -> bool:
    """Whether a :class:`LeanResNet` can do what ``module`` would: training on a CPU in float32, basic blocks, a C compiler."""
    if images.device.type != "cpu" or images.requires_grad or torch.is_autocast_enabled("cpu") or not torch.is_grad_enabled():
        return False
    children = list(module.children())[:8]
    if len(children) < 8 or not isinstance(children[3], nn.MaxPool2d) or not all(isinstance(stage, nn.Sequential) for stage in children[4:]):
        return False
    pool = children[3]
    if (pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode) != (3, 2, 1, 1, False):
        return False
    blocks = [block for stage in children[4:] for block in stage.children()]
    if not all(type(block) is BasicBlock for block in blocks) or blocks[0].downsample is not None:
        return False
    net = LeanResNet(module)
    inner = [pair.conv for block in net.blocks for pair in (block.pairs if len(block.pairs) == 2 else block.pairs[1:2])]
    plain = all(_plain(pair) for pair in net.pairs) and all(_narrow(conv) for conv in inner)
    return plain and not isinstance(passes.library(), str)


def _block(block: BasicBlock, tools: Tools) -> Block:
    shortcut = None if block.downsample is None else Pair(*block.downsample.children())
    return Block(Pair(block.conv1, block.bn1), Pair(block.conv2, block.bn2), shortcut, tools)  # type: ignore[arg-type]


def _plain(pair: Pair) -> bool:
    conv, norm = pair
    if type(conv) is not nn.Conv2d or type(norm) is not nn.BatchNorm2d:
        return False
    usual = conv.bias is None and conv.groups == 1 and set(conv.dilation) == {1} and conv.padding_mode == "zeros"
    fitting = conv.out_channels % passes.CHANNELS == 0 and conv.weight.dtype == torch.float32 and conv.weight.device.type == "cpu"
    return usual and fitting and norm.affine and norm.training and norm.track_running_stats


def _narrow(conv: nn.Conv2d) -> bool:
    return (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
