"""The weighted sums of a NeXtVLAD encoder in training, with gradients by hand.

Three things make them cheaper than the same operations one by one (``NeXtVLADEncoder.forward_packed``):

* cluster scores and attention are taken from the frames by x (W0 Wc) and x (W0 Wa). So none of their gradients goes through the expanded
  frames e = x W0 + b0, which serve the sums alone;
* scores are of centred frames. Their mean is 0 then, and one pass finds their variance. The batch norm drops what all rows share;
* the way back through softmax, attention and batch norm writes over memory that is there already.

Symbols as in ``nextvlad``; N real frames of B videos, T rows of the grid; p = softmax, a attention, w = p a.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.training import distributed
from models.training.products import product
from systems.fewerframes.batch_norm import EPSILON
from systems.fewerframes.packed import Packed


class Sums(NamedTuple):
    """``sums`` (B,F,K) of w e, ``totals`` (B,1,K) of w; without gradients ``mean`` and biased ``variance`` (GK) of the T rows of scores."""

    sums: Tensor
    totals: Tensor
    mean: Tensor
    variance: Tensor


class Layers(NamedTuple):
    """Of an encoder: W0 (D,E) and b0 (E), Wa (E,G) and its bias (G), Wc (E,GK), and ``gain`` and ``shift`` (GK) of the scores' norm."""

    w0: Tensor
    b0: Tensor
    wa: Tensor
    ba: Tensor
    wc: Tensor
    gain: Tensor
    shift: Tensor


def worth(frames: int, width: int, expanded: int) -> bool:
    """Whether matrices that are multiplied first are less work, forward and backward: 3 D E + 2 N D multiply-adds a score, not 3 N E."""
    return 3 * width * expanded + 2 * frames * width < 3 * frames * expanded


def fits(rows: Tensor) -> bool:
    """Whether gradients by hand are all there are: none of the frames, and no statistics of other processes."""
    return distributed.size() == 1 and not rows.requires_grad


def vlad_sums(frames: Packed, groups: int, layers: Layers) -> Sums:
    """The sums of packed frames, scores normalised by the statistics of their whole grid. No gradient goes to the frames."""
    return Sums(*_Sums.apply(frames, groups, *layers))


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Packed, groups: int, *layers: Tensor) -> tuple[Tensor, ...]:
        w0, b0, wa, ba, wc, gain, shift = layers
        x, counts, padding, padded = frames
        n, total = len(x), len(x) + padded
        centre = (x.sum(0) + padded * padding) / total
        merged = product(w0, wc)
        middle = centre @ merged
        scores = product(x, merged, -middle)
        away = padding @ merged - middle
        spare = scores.square()
        variance = (spare.sum(0) + padded * away.square()) / total
        inverse = torch.rsqrt(variance + EPSILON)
        torch.addcmul(shift, scores, gain * inverse, out=spare)
        p = torch.softmax(spare.view(n, groups, -1), -1)
        a = torch.sigmoid(torch.addmm(ba + b0 @ wa, x, w0 @ wa))
        w = torch.mul(p, a[..., None], out=spare.view(p.shape))
        e = product(x, w0, b0)
        clusters, size = p.shape[2], e.shape[1] // groups
        sums, shares = x.new_empty(len(counts), size, clusters), x.new_empty(len(counts), groups, clusters)
        for video, (expanded, weights) in enumerate(by_video(counts, e, w)):
            torch.mm(expanded.reshape(-1, size).t(), weights.reshape(-1, clusters), out=sums[video])
            torch.sum(weights, 0, out=shares[video])
        ctx.frames = frames
        ctx.save_for_backward(w0, b0, wa, wc, gain, centre, scores, away, inverse, p, a, e, shares)
        mean = middle + b0 @ wc
        ctx.mark_non_differentiable(mean, variance)
        return sums, shares.sum(1, keepdim=True), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_sums: Tensor, to_totals: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, counts, padding, padded = ctx.frames
        w0, b0, wa, wc, gain, centre, scores, away, inverse, p, a, e, shares = ctx.saved_tensors
        n, _, clusters = p.shape
        w = p * a[..., None]
        d, to_e = torch.empty_like(w), torch.empty_like(e)
        for video, (expanded, weights, into_w, into_e) in enumerate(by_video(counts, e, w, d, to_e)):
            of_sums, size = to_sums[video], to_sums.shape[1]
            torch.addmm(to_totals[video], expanded.reshape(-1, size), of_sums, out=into_w.view(-1, clusters))
            torch.mm(weights.reshape(-1, clusters), of_sums.t(), out=into_e.view(-1, size))
        # d: of w = p a; then of the scores behind their norm
        d.mul_(w)
        of_groups = d.sum(-1)
        d.addcmul_(p, of_groups[..., None], value=-1)
        to_attention = of_groups * (1 - a)  # before its sigmoid
        # every row of the grid counts in the statistics of the scores
        d = d.view(n, -1)
        to_shift = d.sum(0)
        to_gain = torch.mul(d, scores, out=w.view(n, -1)).sum(0) * inverse
        slope = to_gain * inverse / -(n + padded)
        d.addcmul_(scores, slope)
        to_merged = product(x.t(), d).addr_(centre, to_shift, alpha=-1).addr_(padding, away * slope, alpha=padded).mul_(gain * inverse)
        to_ba, of_attention = to_attention.sum(0), torch.mm(x.t(), to_attention)
        to_w0 = product(x.t(), to_e).addmm_(to_merged, wc.t()).addmm_(of_attention, wa.t())
        of_sums = shares.transpose(0, 1).flatten(1) @ to_sums.transpose(1, 2).flatten(0, 1)
        to_wa, to_wc = torch.mm(w0.t(), of_attention).addr_(b0, to_ba), torch.mm(w0.t(), to_merged)
        return None, None, to_w0, of_sums.flatten() + wa @ to_ba, to_wa, to_ba, to_wc, to_gain, to_shift


def by_video(counts: tuple[int, ...], *rows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The rows of one video after the other."""
    return zip(*(each.split(list(counts)) for each in rows))
