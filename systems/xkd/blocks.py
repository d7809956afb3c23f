"""Transformer blocks of encoders and decoders, under the published names (spec 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    def forward(self, x: Tensor, asking: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, N, D) to the same shape, and the weights (B, heads, n, N) with which the tokens of ``asking`` attend to all."""
        b, n, dim = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v)
        weights = None
        if asking is not None:
            weights = (q[:, :, asking] @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return self.proj(found.transpose(1, 2).reshape(b, n, dim)), weights


class Mlp(nn.Module):
    def __init__(self, dim: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.fc2 = nn.Linear(ratio * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return found


class Block(nn.Module):
    """Pre-norm block: x + attention(LN(x)), then x + mlp(LN(x))."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, asking: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """Like :meth:`Attention.forward`."""
        mixed, weights = self.attn(self.norm1(x), asking)
        x = x + mixed
        return x + self.mlp(self.norm2(x)), weights


class Blocks(nn.Module):
    """A stack of blocks; in the modality-agnostic variants both modalities share one."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(Block(width.dim, width.heads) for _ in range(width.depth))
        self.apply(xavier)

    def forward(self, x: Tensor, asking: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, N, D) to the same shape, and the attention of the last block, asked for by the tokens of ``asking``."""
        for block in self.blocks[:-1]:
            x, _ = block(x)
        found: tuple[Tensor, Tensor | None] = self.blocks[-1](x, asking)
        return found


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
