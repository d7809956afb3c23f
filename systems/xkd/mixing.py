"""Mixup and CutMix of a batch of clips with its reversal (Zhang et al., 2018; Yun et al., 2019; spec 10.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

#: axes that the released code cuts on 5-d batches (time, height), and those that were meant (quirk 12)
AXES = {"code": (2, 3), "hw": (-2, -1)}


@dataclass(frozen=True)
class Mix:
    """``share`` of a sample in the result; ``box`` (top, bottom, left, right), if pixels of a box are replaced, not all blended."""

    share: float
    box: tuple[int, int, int, int] | None = None


def draw(
    generator: np.random.Generator, size: tuple[int, int], mixup: float, cutmix: float, chance: float = 1.0, switch: float = 0.5
) -> Mix:
    """One mix for a batch of pictures of ``size`` (height, width); ``mixup`` and ``cutmix`` are the alphas of Beta, 0 for never."""
    if generator.random() >= chance or not (mixup or cutmix):
        return Mix(1.0)
    cut = bool(cutmix) and (not mixup or generator.random() < switch)
    share = float(generator.beta(cutmix, cutmix) if cut else generator.beta(mixup, mixup))
    return boxed(share, size, int(generator.integers(size[0])), int(generator.integers(size[1]))) if cut else Mix(share)


def boxed(share: float, size: tuple[int, int], y: int, x: int) -> Mix:
    """A box of area 1 - ``share`` about (y, x), clipped at the edges; the share is what the clipped box leaves."""
    side = math.sqrt(1 - share)
    (top, bottom), (left, right) = (
        (min(max(at - int(n * side) // 2, 0), n), min(max(at + int(n * side) // 2, 0), n)) for at, n in zip((y, x), size)
    )
    return cut_out((top, bottom, left, right), size)


def cut_out(box: tuple[int, int, int, int], size: tuple[int, int]) -> Mix:
    """A mix that replaces the pixels of ``box`` in pictures of ``size``."""
    top, bottom, left, right = box
    return Mix(1 - (bottom - top) * (right - left) / (size[0] * size[1]), box)


def mixed(batch: Tensor, mix: Mix, axes: str = "hw") -> Tensor:
    """(B, ...) with the batch in reverse order."""
    other = batch.flip(0)
    if mix.box is None:
        return batch * mix.share + other * (1 - mix.share)
    top, bottom, left, right = mix.box
    (first, second), result = AXES[axes], batch.clone()
    inside = [slice(None)] * batch.ndim
    inside[first], inside[second] = slice(top, bottom), slice(left, right)
    result[tuple(inside)] = other[tuple(inside)]
    return result


def targets(labels: Tensor, classes: int, share: float = 1.0, smoothing: float = 0.1) -> Tensor:
    """(B,) to (B, classes): smoothed, and mixed like the batch."""
    smooth = F.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    return smooth * share + smooth.flip(0) * (1 - share)


def soft_cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """-sum_k t_k log softmax(x)_k of (B, classes), the mean over the batch."""
    return torch.sum(-wanted * logits.log_softmax(-1), -1).mean()
