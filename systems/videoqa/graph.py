"""Gated graph attention over the clips of a video ("punishGAT" of DualVGR, spec 5.3).

Per head: Wh = Linear(x'); e_ij = LeakyReLU(v . [Wh_i ; Wh_j] + b); alpha = dropout(softmax_j e_ij);
out_i = ELU(sum_j alpha_ij g_j Wh_j). The gate g multiplies the values, not the attention.

Several modules that read tensors of one shape run as one batch of matrix products (:func:`attend`): a reasoning layer has
four modules of four heads, far too small to be run one by one. The logits are u_i + v_j, never a (C,C,2h) concatenation.
Symbols: M modules, B batch, C clips (nodes), d = module_dim, H heads, h = d/H.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from systems.videoqa.dropout import dropout

HEADS = 4
GRAPH_DROPOUT = 0.15
NEGATIVE_SLOPE = 0.01
NO_EDGE = -9e15


class AttentionHead(nn.Module):
    """Parameters of one head: ``W`` (h,d) and the logit vector ``a`` (1,2h)."""

    def __init__(self, module_dim: int, head_dim: int) -> None:
        super().__init__()
        self.W = nn.Linear(module_dim, head_dim)
        self.a = nn.Linear(2 * head_dim, 1)


class PunishGAT(nn.Module):
    """Multi-head graph attention with a gate per node; ``dropout`` is the rate of its three dropouts."""

    def __init__(
        self,
        module_dim: int,
        head_dim: int,
        *,
        heads: int = HEADS,
        dropout: float = GRAPH_DROPOUT,
        negative_slope: float = NEGATIVE_SLOPE,
    ) -> None:
        super().__init__()
        self.dropout, self.negative_slope = dropout, negative_slope
        self.heads = [AttentionHead(module_dim, head_dim) for _ in range(heads)]
        for number, head in enumerate(self.heads):
            self.add_module(f"attention_{number}", head)

    def forward(self, x: Tensor, gate: Tensor | None = None, adjacency: Tensor | None = None) -> Tensor:
        """Return (B,C,H*h) for ``x`` (B,C,d), ``gate`` (B,C) or None (no gating), ``adjacency`` (C,C) or None (all edges)."""
        return attend([self], x[None], None if gate is None else gate[None], adjacency)[0]


def attend(modules: Sequence[PunishGAT], x: Tensor, gate: Tensor | None, adjacency: Tensor | None = None) -> Tensor:
    """Run M modules of the same shape at once: ``x`` (M,B,C,d), ``gate`` (M,B,C) -> (M,B,C,H*h).

    Every module draws dropout masks of its own, as if it were called alone.
    """
    first = modules[0]
    count, batch, nodes, _ = x.shape
    heads = len(first.heads)
    flat = [head for module in modules for head in module.heads]
    weight = torch.stack([head.W.weight for head in flat]).unflatten(0, (count, heads))  # (M,H,h,d)
    bias = torch.cat([head.W.bias for head in flat]).view(count, 1, -1)
    vector = torch.cat([head.a.weight for head in flat]).view(count, heads, 2, -1)
    offset = torch.cat([head.a.bias for head in flat]).view(count, 1, 1, heads)

    x = dropout(x, first.dropout, first.training)
    values = _Linears.apply(x.flatten(1, 2), weight.flatten(1, 2), bias).view(count, batch, nodes, heads, -1)
    parts = torch.einsum("mbnhk,mhsk->smbnh", values, vector)
    source, target = parts[0] + offset, parts[1]
    logits = source[:, :, :, None] + target[:, :, None]  # (M,B,C,C,H): u_i + v_j
    logits = F.leaky_relu(logits, first.negative_slope)
    if adjacency is not None:
        logits = logits.masked_fill((adjacency <= 0)[None, None, :, :, None], NO_EDGE)
    alpha = dropout(torch.softmax(logits, dim=3), first.dropout, first.training)
    if gate is not None:
        alpha = alpha * gate[:, :, None, :, None]
    mixed = torch.einsum("mbijh,mbjhk->mbihk", alpha, values)
    return dropout(F.elu(mixed.flatten(3)), first.dropout, first.training)


class _Linears(torch.autograd.Function):
    """M linear layers (o,d) of ``x`` (M,R,d) at once.

    PyTorch's own gradient of the weights comes transposed, and then is copied for every parameter.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias, x, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return torch.bmm(grad, weight), torch.bmm(grad.transpose(1, 2), x), grad.sum(1, keepdim=True)
