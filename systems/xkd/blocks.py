"""Transformer blocks of encoders and decoders, under the published names (spec 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.training.products import applied
from systems.xkd import lean

#: of an input: samples, tokens of each
Shape = tuple[int, int]


@dataclass(frozen=True)
class Width:
    """Size of a stack of blocks."""

    dim: int = 768
    depth: int = 12
    heads: int = 12


#: ViT-B, the published encoder
BASE = Width()


class Attention(nn.Module):
    """Self-attention; ``qkv`` has no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def mixed(self, qkv: Tensor, shape: Shape, asking: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """Rows (B N, 3 D) of queries, keys and values to (B N, D), mixed; ``shape`` is (B, N).

        And the weights (B, heads, n, N) with which the tokens of ``asking`` attend to all.
        """
        q, k, v = qkv.view(*shape, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v)
        weights = None
        if asking is not None:
            weights = (q[:, :, asking] @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return found.transpose(1, 2).reshape(len(qkv), -1), weights


class Mlp(nn.Module):
    def __init__(self, dim: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.fc2 = nn.Linear(ratio * dim, dim)


class Block(nn.Module):
    """Pre-norm block: x + attention(LN(x)), then x + mlp(LN(x)).

    It sees the tokens of several inputs as the rows of one matrix: every weight is used once, and has one gradient.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)

    def forward(self, rows: Tensor, shapes: Sequence[Shape], asking: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """Rows (sum of B N, D) of inputs of the ``shapes`` (B, N) to the same.

        And the weights (B, heads, n, N) with which the tokens ``asking`` of the last input attend to all of it.
        """
        fits = lean.fits(rows)
        first, then = (lean.normed_linear, lean.gelu_linear) if fits else (normed_linear, gelu_linear)
        qkv, weights = first(rows, self.norm1, self.attn.qkv), None
        if fits and asking is None and rows.device.type == "cpu":
            mixed = lean.attended(qkv, shapes, self.attn.heads)
        else:
            found = [
                self.attn.mixed(part, shape, asking) for part, shape in zip(qkv.split([b * n for b, n in shapes]), shapes, strict=True)
            ]
            mixed, weights = found[0][0] if len(found) == 1 else torch.cat([each for each, _ in found]), found[-1][1]
        rows = rows + applied(self.attn.proj, mixed)
        return rows + then(first(rows, self.norm2, self.mlp.fc1), self.mlp.fc2), weights


def normed_linear(x: Tensor, norm: nn.LayerNorm, linear: nn.Linear) -> Tensor:
    """A norm, then a linear layer."""
    return applied(linear, norm(x))


def gelu_linear(x: Tensor, linear: nn.Linear) -> Tensor:
    """GELU, then a linear layer."""
    return applied(linear, F.gelu(x))


class Blocks(nn.Module):
    """A stack of blocks; in the modality-agnostic variants both modalities share one."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(Block(width.dim, width.heads) for _ in range(width.depth))
        self.apply(xavier)

    def forward(self, x: Tensor, asking: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, N, D) to the same shape, and the attention of the last block, asked for by the tokens of ``asking``."""
        (found,), weights = self.together([x], asking)
        return found, weights

    def together(self, inputs: Sequence[Tensor], asking: slice | None = None) -> tuple[list[Tensor], Tensor | None]:
        """Each (B, N, D) of ``inputs``, of any B and N, to the same shape; the attention is that of the last one."""
        shapes = [(len(x), x.shape[1]) for x in inputs]
        rows = torch.cat([x.flatten(0, 1) for x in inputs])
        for block in self.blocks[:-1]:
            rows, _ = block(rows, shapes)
        rows, weights = self.blocks[-1](rows, shapes, asking)
        return [part.view(*x.shape) for part, x in zip(rows.split([b * n for b, n in shapes]), inputs)], weights


def xavier(module: nn.Module) -> None:
    """The published start of linear layers; norms start at 1 and 0 by themselves."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def token(dim: int) -> nn.Parameter:
    """A learned token (1, 1, D), N(0, 0.02) at the start."""
    return nn.Parameter(torch.randn(1, 1, dim) * 0.02)


def table(tokens: int, dim: int) -> nn.Parameter:
    """A learned position table (1, 1 + tokens, D), index 0 for CLS."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1 + tokens, dim), std=0.02))
