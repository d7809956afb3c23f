"""What a student minimises: cross-entropy and named distillation terms (spec 6).

Symbols: B batch, C classes, P and E_S the student's probabilities (B,C) and representation (B,H), Q and E_T the teacher's.
Whatever is summed over classes or dimensions, ``reduction`` says what happens over the batch. The re-implementation sums its terms
over the batch while its cross-entropy is a mean, so its weights depend on the batch size (quirk 6); :data:`PRESETS` has its numbers
and their scale-free twins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import ConfigError, one_of
from models.training import distributed
from systems.fewerframes.output import Output

DISTANCES = ("sqerr", "kl_classes", "kl_bernoulli")
REDUCTIONS = ("sum", "mean")
KINDS = ("rep", "pred")
FORMS = ("probabilities", "logits")
SOFTMAX_EPSILON = 1e-7


class Target(NamedTuple):
    """What the teacher says of a batch; a part that no term needs may be None."""

    representation: Tensor | None = None
    probabilities: Tensor | None = None


@dataclass(frozen=True)
class Term:
    """One distillation term: ``weight`` times the distance of the student's ``kind`` from the teacher's. ``name`` is for the curves."""

    name: str
    kind: str
    weight: float = 1.0
    distance: str = "sqerr"
    reduction: str = "mean"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("kind", self.kind, KINDS),
            ("distance", self.distance, DISTANCES),
            ("reduction", self.reduction, REDUCTIONS),
        ):
            one_of(f"{what} of the term {self.name!r}", value, known)
        if self.kind == "rep" and self.distance != "sqerr":
            raise ConfigError(
                f"{self.distance} compares probabilities; the term {self.name!r} compares representations", hint="distance: sqerr"
            )

    def value(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The unweighted term; both are (B, classes or dimensions). No gradient reaches the teacher."""
        rows = _ROWS[self.distance](student, teacher.detach().to(student.dtype))
        return rows.sum() * distributed.size() if self.reduction == "sum" else rows.mean()  # gradients are averaged over processes


@dataclass(frozen=True)
class Objective:
    """CE plus terms. ``ce`` 0 leaves it out; ``form`` ``"logits"`` is the stable form, ``"probabilities"`` the published one (quirk 17)."""

    terms: Sequence[Term] = ()
    ce: float = 1.0
    epsilon: float = 1e-8
    form: str = "probabilities"

    def __call__(self, student: Output, labels: Tensor, teacher: Target | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The total and every unweighted part by name (``ce`` among them). ``labels`` are (B,C) multi-hot."""
        parts = {"ce": self.cross_entropy(student, labels)}
        total = self.ce * parts["ce"]
        for term in self.terms:
            wanted = None if teacher is None else teacher.representation if term.kind == "rep" else teacher.probabilities
            if wanted is None:
                raise ConfigError(f"the term {term.name!r} needs the teacher's {term.kind}, and there is none")
            parts[term.name] = term.value(student.representation if term.kind == "rep" else student.probabilities, wanted)
            total = total + term.weight * parts[term.name]
        return total, parts

    def alone(self) -> Objective:
        """The cross-entropy of this objective without its terms."""
        return replace(self, terms=(), ce=1.0)

    def cross_entropy(self, student: Output, labels: Tensor) -> Tensor:
        """CE in the chosen form; a network without logits (mixture of experts) has the published form only."""
        one_of("form of the cross-entropy", self.form, FORMS)
        if self.form == "logits" and student.logits is not None:
            return F.binary_cross_entropy_with_logits(student.logits, labels, reduction="sum") / len(labels)
        return cross_entropy(student.probabilities, labels, self.epsilon)


def cross_entropy(probabilities: Tensor, labels: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Mean over the batch of the sum over classes of -[y ln(p + eps) + (1 - y) ln(1 - p + eps)], from probabilities (B,C).

    eps is 1e-8 in N and Z, 1e-5 in A, W and G. In float32 ``1 - p + 1e-8`` is ``1 - p`` unless p is 1: gradients of saturated
    classes reach 1e8 and are left to the clipping.
    """
    logarithms = labels * torch.log(probabilities + epsilon) + (1 - labels) * torch.log(1 - probabilities + epsilon)
    return -logarithms.sum(1).mean()


def hinge(scores: Tensor, labels: Tensor) -> Tensor:
    """G's hinge loss: mean over the batch of the sum over classes of max(0, 1 - s (2y - 1))."""
    return (1 - scores * (2 * labels - 1)).clamp_min(0).sum(1).mean()


def softmax_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """G's softmax loss: cross-entropy of softmax(scores) against the labels divided by their number."""
    shares = labels / labels.sum(1, keepdim=True).clamp_min(SOFTMAX_EPSILON)
    return -(shares * torch.log_softmax(scores, dim=1)).sum(1).mean()


def squared_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Sum of squared differences of every row: (B, n) to (B,)."""
    return (teacher - student).square().sum(1)


def kl_classes(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(Q / sum Q || P / sum P) of every row: independent probabilities made into a distribution, as A does (quirk 12)."""
    tiny = torch.finfo(student.dtype).tiny
    q = teacher / teacher.sum(1, keepdim=True).clamp_min(tiny)
    p = student / student.sum(1, keepdim=True).clamp_min(tiny)
    return (torch.xlogy(q, q) - q * torch.log(p.clamp_min(tiny))).sum(1)


def kl_bernoulli(student: Tensor, teacher: Tensor) -> Tensor:
    """Sum over classes of KL(Bernoulli(q) || Bernoulli(p)) of every row."""
    epsilon = 1e-7
    p = student.clamp(epsilon, 1 - epsilon)
    entropy = torch.xlogy(teacher, teacher) + torch.xlogy(1 - teacher, 1 - teacher)
    return (entropy - teacher * torch.log(p) - (1 - teacher) * torch.log1p(-p)).sum(1)


_ROWS = {"sqerr": squared_error, "kl_classes": kl_classes, "kl_bernoulli": kl_bernoulli}

#: batch of one GPU in the published runs of the re-implementation: what turns its weights into their scale-free twins
REIMPL_BATCH = 80

PRESETS: Mapping[str, Objective] = {
    # the equations of the paper: unit weights; L_rep and L_pred summed over dimensions and classes
    "paper": Objective((Term("rep", "rep"), Term("pred", "pred"))),
    # Z, to the digit: sums over the batch
    "reimpl": Objective((Term("rep", "rep", 0.001, reduction="sum"), Term("pred", "pred", 0.01, reduction="sum"))),
    # Z at any batch size: the same per-video weights at 80 videos a GPU
    "reimpl-mean": Objective((Term("rep", "rep", 0.001 * REIMPL_BATCH), Term("pred", "pred", 0.01 * REIMPL_BATCH))),
    # A, as its code runs: L_rep stands in the sum twice, KL is a sum over the batch
    "authors": Objective((Term("rep", "rep", 2.0), Term("pred", "pred", 1.0, "kl_classes", "sum")), epsilon=1e-5),
}
