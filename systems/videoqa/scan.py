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
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.training.products import product

sigmoid_backward, tanh_backward = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward

PARAMETERS = 4
"""Of a direction: ``weight_ih`` (4h,V), ``weight_hh`` (4h,h), ``bias_ih`` and ``bias_hh`` (4h,)."""


class Kept(NamedTuple):
    """What the backward pass of a direction needs beside its activations: the cells (P,h), and their hyperbolic tangents."""

    cells: Tensor
    squashed: Tensor


class Step(NamedTuple):
    """A step of a walk: step ``place`` in time, of ``count`` sequences, with its ``rows``, and those of the step ``before`` it in the walk.

    Its first ``kept`` sequences go on from there, the others begin; from sequence ``ending`` on, they end here.
    """

    place: int
    count: int
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
    ends = accumulate(counts)
    rows = [slice(end - count, end) for count, end in zip(counts, ends, strict=True)]
    places, sizes = range(len(counts)), list(counts)
    if backwards:
        rows, places, sizes = rows[::-1], places[::-1], sizes[::-1]
    kept = [min(pair) for pair in pairwise(sizes)]
    return [Step(*step) for step in zip(places, sizes, rows, [slice(0, 0), *rows[:-1]], [0, *kept], [*kept, 0], strict=True)]


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
    whole = (gates, *gates.chunk(4, 1), gates[:, : 2 * size], states, cells, squashed)
    views = list(zip(*(_by_step(tensor, steps) for tensor in whole), strict=True))
    earlier, before, cell = 0, states, cells  # of the step before: its sequences, states and cells
    for place, count, _, _, kept, ending in steps:
        act, i, f, g, o, i_and_f, state, now, tangent = views[place]
        act.add_(bias)
        if kept:
            some = _first(act, kept, count)
            torch.addmm(some, _first(before, kept, earlier), recurrent, out=some)
        i_and_f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        torch.mul(i, g, out=now)
        if kept:
            _first(now, kept, count).addcmul_(_first(f, kept, count), _first(cell, kept, earlier))
        torch.mul(o, torch.tanh(now, out=tangent), out=state)
        if ending < count:
            last[ending:count] = state[ending:]
        earlier, before, cell = count, state, now
    return Kept(cells, squashed)


def _backwards(gates: Tensor, recurrent: Tensor, kept: Kept, steps: Sequence[Step], d_states: Tensor | None, d_last: Tensor | None) -> None:
    """Turn the activations ``gates`` (P,4h) into gradients of what they were made from, in place.

    ``d_states`` (P,h) and ``d_last`` (N,h) are those of the outputs, None where nothing depends on them.
    """
    whole = (gates, *gates.chunk(4, 1), kept.squashed)
    views = list(zip(*(_by_step(tensor, steps) for tensor in whole), strict=True))
    cells = _by_step(kept.cells, steps)
    given = None if d_states is None else _by_step(d_states, steps)
    later, d_gates, d_cell = 0, gates, gates  # of the step that follows: its sequences, and gradients
    for number in range(len(steps) - 1, -1, -1):
        place, count, _, _, own, ending = steps[number]
        act, i, f, g, o, squashed = views[place]
        d_state = torch.zeros_like(squashed) if given is None else given[place].clone()
        if ending:
            some = _first(d_state, ending, count)
            torch.addmm(some, _first(d_gates, ending, later), recurrent, out=some)
        if d_last is not None and ending < count:
            d_state[ending:] += d_last[ending:count]
        through = tanh_backward(d_state * o, squashed)
        if ending:
            _first(through, ending, count).add_(_first(d_cell, ending, later))
        d_cell, d_g = through * f, through * i
        _sigmoid_gradient(d_state.mul_(squashed), o)
        if own:
            before = steps[number - 1]
            cell = _first(cells[before.place], own, before.count)
            _sigmoid_gradient(_first(through, own, count) * cell, _first(f, own, count))
        if own < count:
            f[own:].zero_()
        _sigmoid_gradient(through.mul_(g), i)
        tanh_backward.grad_input(d_g, g, grad_input=g)
        later, d_gates = count, act


def _by_step(tensor: Tensor, steps: Sequence[Step]) -> tuple[Tensor, ...]:
    """The rows (P, ...) of every step, in the order of time: views, which cost less when they are made together."""
    return tensor.split_with_sizes([step.count for step in sorted(steps)])


def _first(tensor: Tensor, count: int, of: int) -> Tensor:
    """The first ``count`` ``of`` so many rows."""
    return tensor if count == of else tensor[:count]


def _sigmoid_gradient(gradient: Tensor, sigmoid: Tensor) -> None:
    """Put gradient * sigmoid' in the place of ``sigmoid``."""
    sigmoid_backward.grad_input(gradient, sigmoid, grad_input=sigmoid)


def _recurrent_gradient(d_gates: Tensor, states: Tensor, steps: Sequence[Step]) -> Tensor:
    """Gradient (4h,h) of ``weight_hh``, in as few products as steps follow one another with equally many sequences."""
    total = d_gates.new_zeros(d_gates.shape[1], states.shape[1])
    for rows, before in _runs(steps):
        torch.addmm(total, d_gates[rows].t(), states[before], out=total)
    return total


def _runs(steps: Sequence[Step]) -> list[tuple[slice, slice]]:
    """Rows that go on, and the rows that they go on from; neighbours in both of the pair before them make one pair with it."""
    runs: list[tuple[slice, slice]] = []
    for _, _, rows, before, kept, _ in steps[1:]:
        new, old = slice(rows.start, rows.start + kept), slice(before.start, before.start + kept)
        if runs and runs[-1][0].stop == new.start and runs[-1][1].stop == old.start:
            new, old = slice(runs[-1][0].start, new.stop), slice(runs.pop()[1].start, old.stop)
        elif runs and runs[-1][0].start == new.stop and runs[-1][1].start == old.stop:
            new, old = slice(new.start, runs[-1][0].stop), slice(old.start, runs.pop()[1].stop)
        runs.append((new, old))
    return runs
