"""The recurrence of several LSTMs at once, with a hand-written backward pass (training on a CPU).

PyTorch's LSTM on a CPU runs one direction after the other, and its backward pass also computes gradients of inputs that need
none. Here K directions of one shape advance together, a step is seven tensor operations forward and eleven backward. The
numbers agree with ``nn.LSTM`` up to rounding. Symbols: K directions, T steps, N sequences, h hidden units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

GATES = [0, 1, 3, 2]
"""Our order of the gates (i, f, o, g) in PyTorch's (i, f, g, o): the three sigmoids side by side."""


def ifog(parameter: Tensor) -> Tensor:
    """Reorder the gates of an LSTM parameter (4h, ...) from i, f, g, o to i, f, o, g."""
    return parameter.unflatten(0, (4, -1))[GATES].flatten(0, 1)


def scan(gates: Tensor, weight: Tensor) -> Tensor:
    """Return all states (K,T,N,h) of LSTMs that start from zero.

    ``gates`` (K,T,N,4h) are the input projections plus biases, ``weight`` (K,4h,h) the recurrent weights; gates in the order
    i, f, o, g. A shorter sequence just runs on: what follows its last step must not be used.
    """
    return _Scan.apply(gates, weight)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor) -> Tensor:
        count, steps, rows, width = gates.shape
        size = width // 4
        states = gates.new_empty(count, steps, rows, size)
        recurrent = weight.transpose(1, 2)
        cell = gates.new_zeros(count, rows, size)
        kept: list[tuple[Tensor, Tensor, Tensor]] = []
        for step in range(steps):
            act = torch.baddbmm(gates[:, step], states[:, step - 1], recurrent) if step else gates[:, 0].clone()
            act[..., : 3 * size].sigmoid_()
            act[..., 3 * size :].tanh_()
            i, f, o, g = act.split(size, dim=-1)
            cell = torch.addcmul(f * cell, i, g)
            squashed = torch.tanh(cell)
            torch.mul(o, squashed, out=states[:, step])
            kept.append((act, cell, squashed))
        ctx.kept = kept
        ctx.save_for_backward(weight, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        weight, states = ctx.saved_tensors
        count, steps, rows, size = states.shape
        out = grad.new_empty(count, steps, rows, 4 * size)
        d_cell: Tensor | None = None
        for step in reversed(range(steps)):
            act, _, squashed = ctx.kept[step]
            i, f, o, g = act.split(size, dim=-1)
            d_state = grad[:, step] if d_cell is None else torch.baddbmm(grad[:, step], out[:, step + 1], weight)
            through = torch.ops.aten.tanh_backward(d_state * o, squashed)
            d_cell = through if d_cell is None else through.add_(d_cell)
            now = out[:, step]
            d_i, d_f, d_o, d_g = now.split(size, dim=-1)
            torch.mul(d_cell, g, out=d_i)
            if step:
                torch.mul(d_cell, ctx.kept[step - 1][1], out=d_f)
            else:
                d_f.zero_()
            torch.mul(d_state, squashed, out=d_o)
            sigmoids = now[..., : 3 * size]
            sigmoids.copy_(torch.ops.aten.sigmoid_backward(sigmoids, act[..., : 3 * size]))
            d_g.copy_(torch.ops.aten.tanh_backward(d_cell * i, g))
            d_cell = d_cell * f
        del ctx.kept
        d_weight = torch.bmm(out[:, 1:].flatten(1, 2).transpose(1, 2), states[:, :-1].flatten(1, 2))
        return out, d_weight
