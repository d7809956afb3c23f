"""Losses of DualVGR and of its distillation (spec 6 and 7).

Symbols: B batch, N nodes (clips), d = module_dim, L = unit_layers * graph_layers collected layers.
    hard  = CE + alpha * loss_com / L + beta * loss_dep / L
    total = hard + kd_alpha * app + kd_beta * mo
Defaults of alpha and beta: 1 and 1e-8 in DualVGR, 100 and 1e-6 in MKD.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import one_of

Reduction = Literal["paper", "fixed"]
LogitKD = Literal["as_written", "corrected"]
NO_LENGTH = 1e-12


class HardLoss(NamedTuple):
    """``total`` = ce + alpha * common / L + beta * dependence / L; ``common`` and ``dependence`` are sums over the L layers."""

    total: Tensor
    ce: Tensor
    common: Tensor
    dependence: Tensor


class KDLoss(NamedTuple):
    """``total`` = hard.total + kd_alpha * app + kd_beta * mo."""

    total: Tensor
    hard: HardLoss
    app: Tensor
    mo: Tensor


def common_loss(first: Tensor, second: Tensor) -> Tensor:
    """Agreement of two graphs: mean squared difference of the Gram matrices of centred, normalised nodes.

    ``first`` and ``second`` are (..., B, N, d); every leading dimension but B is kept apart: the result is (...).
    """
    return _disagreement(_gram(first), _gram(second))


def dependence_loss(first: Tensor, second: Tensor) -> Tensor:
    """Dependence of two graphs: trace(R K1 R K2), K = E E^T, R = I - 11^T/N, summed over the batch (HSIC without 1/(n-1)^2).

    ``first`` and ``second`` are (..., B, N, d); the result is (...). Nodes are centred before the products: R K R is the Gram
    matrix of the centred nodes, and centring the nodes first loses far fewer digits than centring the matrices.
    """
    return _product(_gram(first), _gram(second))


def hard_loss(
    logits: Tensor,
    answers: Tensor,
    com_app: Sequence[Tensor],
    com_motion: Sequence[Tensor],
    aq_fusion: Sequence[Tensor],
    mq_fusion: Sequence[Tensor],
    *,
    alpha: float,
    beta: float,
) -> HardLoss:
    """Loss of a network alone: ``logits`` (B,A), ``answers`` (B,) int64, and four lists of L tensors (B,N,d).

    Both losses are of the same Gram matrices: every graph is centred and multiplied once.
    """
    layers = len(com_app)
    common_a, common_m, specific_a, specific_m = _gram(torch.stack([*com_app, *com_motion, *aq_fusion, *mq_fusion])).chunk(4)
    ce = F.cross_entropy(logits, answers.reshape(-1))
    common = _disagreement(common_a, common_m).sum()
    dependence = (_product(specific_a, common_a) + _product(specific_m, common_m)).sum()
    return HardLoss(ce + alpha * common / layers + beta * dependence / layers, ce, common, dependence)


def feature_kd(student: Tensor, teacher: Tensor, temperature: float = 1.0, *, reduction: Reduction = "paper") -> Tensor:
    """KL of softmax(teacher/t) from softmax(student/t) over the d channels of every clip; both are (B,N,d).

    ``"paper"`` divides by B only (``batchmean``: a sum over clips) and has no t^2 factor; ``"fixed"`` is the mean over
    clips too, times t^2, so that neither the number of clips nor the temperature rescales the gradient.
    """
    one_of("reduction", reduction, ("paper", "fixed"))
    log_p = F.log_softmax(student / temperature, dim=-1)
    log_q = F.log_softmax(teacher / temperature, dim=-1)
    kl = F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)
    return kl if reduction == "paper" else kl * temperature**2 / student.shape[1:-1].numel()


def kd_loss(
    hard: HardLoss,
    appearance: Tensor,
    motion: Tensor,
    fused: Tensor,
    *,
    kd_alpha: float = 1.0,
    kd_beta: float = 1.0,
    t_app: float = 1.0,
    t_mo: float = 1.0,
    reduction: Reduction = "paper",
) -> KDLoss:
    """Total loss of a student whose ``appearance`` and ``motion`` follow the teacher's ``fused`` feature; all (B,N,d)."""
    app = feature_kd(appearance, fused, t_app, reduction=reduction)
    mo = feature_kd(motion, fused, t_mo, reduction=reduction)
    return KDLoss(hard.total + kd_alpha * app + kd_beta * mo, hard, app, mo)


def logit_kd(student: Tensor, teacher: Tensor, temperature: float = 1.0, *, variant: LogitKD = "corrected") -> Tensor:
    """Distillation of logits (B,A), the repository's unused variant (``batchmean``, no t^2); its total is kd_alpha * hard + this.

    ``"as_written"`` hands the student's softmax to KLDivLoss where the logarithm belongs; ``"corrected"`` is the divergence.
    """
    one_of("variant", variant, ("as_written", "corrected"))
    soften = torch.softmax if variant == "as_written" else torch.log_softmax
    return F.kl_div(soften(student / temperature, -1), torch.softmax(teacher / temperature, -1), reduction="batchmean")


def _gram(nodes: Tensor) -> Tensor:
    """Gram matrix (...,N,N) of the centred ``nodes`` (...,N,d)."""
    centred = nodes - nodes.mean(dim=-2, keepdim=True)
    return centred @ centred.transpose(-1, -2)


def _disagreement(first: Tensor, second: Tensor) -> Tensor:
    """The common loss of two Gram matrices (...,B,N,N)."""
    return (_cosines(first) - _cosines(second)).square().mean(dim=(-3, -2, -1))


def _product(first: Tensor, second: Tensor) -> Tensor:
    """The dependence loss of two Gram matrices (...,B,N,N)."""
    return (first * second).sum(dim=(-3, -2, -1))


def _cosines(gram: Tensor) -> Tensor:
    """The Gram matrix (...,N,N) of the same nodes at length 1; of a node without length (below 1e-12), 0."""
    lengths = gram.diagonal(dim1=-2, dim2=-1).clamp_min(NO_LENGTH**2).sqrt()
    return gram / (lengths[..., :, None] * lengths[..., None, :])
