"""Bidirectional LSTMs that read the same sequences together, with a hand-written backward pass (training on a CPU).

PyTorch's LSTM on a CPU also computes gradients of inputs that need none, and copies what it reads for every direction. Here all
directions share one input product and one product for the gradients of its weights, gates become activations and activations become
gradients in place, and nothing is turned around: the second direction walks through the same steps backwards.

Sequences are packed by time: the first steps of all sequences, longest sequence first, then the second steps of those that have one, and
so on. Symbols: N sequences, T steps of the longest, ``counts[t]`` sequences that have a step t (no step has more than the one before it),
P = sum of ``counts``, L LSTMs, K = 2L directions (of each LSTM forwards, then backwards), h hidden units. Gates are in PyTorch's order:
i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.training.products import product

PARAMETERS = 4
"""Of a direction: ``weight_ih`` (4h,V), ``weight_hh`` (4h,h), ``bias_ih`` and ``bias_hh`` (4h,)."""


class Kept(NamedTuple):
    """What the backward pass of a direction needs beside its activations: the cells (P,h), and their hyperbolic tangents."""

    cells: Tensor
    squashed: Tensor


class Step(NamedTuple):
    """A step of a walk: its ``rows``, and those of the step ``before`` it.

    Its first ``kept`` sequences go on from there, the others begin; from sequence ``ending`` on, they end here.
    """

    rows: slice
    before: slice
    kept: int
    ending: int


def scan(x: Tensor, counts: Sequence[int], parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Read ``x`` (P,V) from zero states, with the ``parameters`` of K directions one after another.

    Return of each LSTM its states (P,2h), and of each its last states of both directions (N,2h): 2L tensors. Gradients can be taken once.
    """
    return _Scan.apply(x, tuple(counts), *parameters)


def walk(counts: Sequence[int], backwards: bool) -> list[Step]:
    """The steps in the order in which a direction takes them."""
    ends = torch.tensor(counts).cumsum(0).tolist()
    rows = [slice(end - count, end) for count, end in zip(counts, ends, strict=True)]
    sizes = list(counts)
    if backwards:
        rows, sizes = rows[::-1], sizes[::-1]
    kept = [min(pair) for pair in pairwise(sizes)]
    return [Step(*step) for step in zip(rows, [slice(0, 0), *rows[:-1]], [0, *kept], [*kept, 0], strict=True)]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: tuple[int, ...], *parameters: Tensor) -> tuple[Tensor, ...]:
        inwards, recurrents, biases, more_biases = (parameters[place::PARAMETERS] for place in range(PARAMETERS))
        size = recurrents[0].shape[1]
        gates = product(x, torch.cat(inwards).t())
        states = [x.new_empty(len(x), 2 * size) for _ in inwards[::2]]
        last = [x.new_empty(counts[0], 2 * size) for _ in inwards[::2]]
        ctx.kept = []
        for number, recurrent in enumerate(recurrents):
            own = _part(gates, number, 4 * size)
            bias = biases[number] + more_biases[number]
            out, end = (_part(of[number // 2], number % 2, size) for of in (states, last))
            ctx.kept.append(_forwards(own, recurrent.t(), bias, walk(counts, number % 2 == 1), out, end))
        ctx.gates, ctx.counts = gates, counts
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, *states, *inwards, *recurrents)
        return (*states, *last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        gates, all_kept = ctx.gates, ctx.kept
        if gates is None:
            raise RuntimeError("the gradients of these LSTMs were taken already: they take the place of the activations")
        ctx.gates = ctx.kept = None
        lstms = len(given) // 2
        x, *saved = ctx.saved_tensors
        states, inwards, recurrents = saved[:lstms], saved[lstms : 3 * lstms], saved[3 * lstms :]
        size = recurrents[0].shape[1]
        d_recurrents = []
        for number, recurrent in enumerate(recurrents):
            lstm, own, steps = number // 2, _part(gates, number, 4 * size), walk(ctx.counts, number % 2 == 1)
            d_states, d_last = (None if of is None else _part(of, number % 2, size) for of in (given[lstm], given[lstms + lstm]))
            _backwards(own, recurrent, all_kept[number], steps, d_states, d_last)
            d_recurrents.append(_recurrent_gradient(own, _part(states[lstm], number % 2, size), steps))
        d_inwards = product(gates.t(), x).split(4 * size)
        d_biases = gates.sum(0).split(4 * size)
        d_x = product(gates, torch.cat(inwards)) if ctx.needs_input_grad[0] else None
        return d_x, None, *(part for parts in zip(d_inwards, d_recurrents, d_biases, d_biases, strict=True) for part in parts)


def _part(tensor: Tensor, number: int, width: int) -> Tensor:
    """Columns of ``tensor`` that belong to ``number``."""
    return tensor[:, number * width : (number + 1) * width]


def _forwards(gates: Tensor, recurrent: Tensor, bias: Tensor, steps: Sequence[Step], states: Tensor, last: Tensor) -> Kept:
    """Turn ``gates`` (P,4h), the input product, into activations in place; fill ``states`` (P,h) and ``last`` (N,h)."""
    size = states.shape[1]
    cells = states.new_empty(len(states), size)
    squashed = torch.empty_like(cells)
    for rows, before, kept, ending in steps:
        act = gates[rows].add_(bias)
        if kept:
            torch.addmm(act[:kept], states[before][:kept], recurrent, out=act[:kept])
        act[:, : 2 * size].sigmoid_()
        act[:, 2 * size : 3 * size].tanh_()
        act[:, 3 * size :].sigmoid_()
        i, f, g, o = act.split(size, dim=1)
        cell = torch.mul(i, g, out=cells[rows])
        if kept:
            cell[:kept].addcmul_(f[:kept], cells[before][:kept])
        state = torch.mul(o, torch.tanh(cell, out=squashed[rows]), out=states[rows])
        if ending < len(state):
            last[ending : len(state)] = state[ending:]
    return Kept(cells, squashed)


def _backwards(gates: Tensor, recurrent: Tensor, kept: Kept, steps: Sequence[Step], d_states: Tensor | None, d_last: Tensor | None) -> None:
    """Turn the activations ``gates`` (P,4h) into gradients of what they were made from, in place.

    ``d_states`` (P,h) and ``d_last`` (N,h) are those of the outputs, None where nothing depends on them.
    """
    size = kept.cells.shape[1]
    d_gates = d_cell = gates[:0]  # of the step that follows
    for rows, before, own, ending in reversed(steps):
        act, squashed = gates[rows], kept.squashed[rows]
        i, f, g, o = act.split(size, dim=1)
        d_state = squashed.new_zeros(squashed.shape) if d_states is None else d_states[rows].clone()
        if ending:
            torch.addmm(d_state[:ending], d_gates[:ending], recurrent, out=d_state[:ending])
        if d_last is not None and ending < len(act):
            d_state[ending:] += d_last[ending : len(act)]
        through = torch.ops.aten.tanh_backward(d_state * o, squashed)
        if ending:
            through[:ending] += d_cell[:ending]
        d_cell, d_g = through * f, through * i
        _sigmoid_gradient(d_state.mul_(squashed), o)
        if own:
            _sigmoid_gradient(through[:own] * kept.cells[before][:own], f[:own])
        f[own:].zero_()
        _sigmoid_gradient(through.mul_(g), i)
        torch.ops.aten.tanh_backward.grad_input(d_g, g, grad_input=g)
        d_gates = act


def _sigmoid_gradient(gradient: Tensor, sigmoid: Tensor) -> None:
    """Put gradient * sigmoid' in the place of ``sigmoid``."""
    torch.ops.aten.sigmoid_backward.grad_input(gradient, sigmoid, grad_input=sigmoid)


def _recurrent_gradient(d_gates: Tensor, states: Tensor, steps: Sequence[Step]) -> Tensor:
    """Gradient (4h,h) of ``weight_hh``, in as few products as steps follow one another with equally many sequences."""
    total = d_gates.new_zeros(d_gates.shape[1], states.shape[1])
    for rows, before in _runs(steps):
        torch.addmm(total, d_gates[rows].t(), states[before], out=total)
    return total


def _runs(steps: Sequence[Step]) -> list[tuple[slice, slice]]:
    """Rows that go on, and the rows that they go on from; neighbours in both of the pair before them make one pair with it."""
    runs: list[tuple[slice, slice]] = []
    for rows, before, kept, _ in steps[1:]:
        new, old = slice(rows.start, rows.start + kept), slice(before.start, before.start + kept)
        if runs and runs[-1][0].stop == new.start and runs[-1][1].stop == old.start:
            new, old = slice(runs[-1][0].start, new.stop), slice(runs.pop()[1].start, old.stop)
        elif runs and runs[-1][0].start == new.stop and runs[-1][1].start == old.stop:
            new, old = slice(new.start, runs[-1][0].stop), slice(old.start, runs.pop()[1].stop)
        runs.append((new, old))
    return runs
