"""What students and teachers minimise: terms on named outputs, and the published objectives as a table of them (spec D).

Symbols: s and t are logits of student and teacher, (rows, columns). The 16 in H is the published number of episodes a step.

    CE(s)   = mean cross-entropy over the queries                       H(s) = CE(s) / 16
    KD(s,t) = tau^2 mean over rows of sum_c p_t (ln p_t - ln p_s),      p = softmax(. / tau), tau = 4
    R(s,t)  = 1 - mean over rows of the correlation of softmax(s) with softmax(t)
    f       = 1 - exp(-max(CE(a) / (CE(b) + 1e-8), 0)),                 a share that weighs terms; no gradient passes it

Gradients of 16 episodes are summed before a step, and of all terms only H has the 1/16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import ConfigError

EPISODES = 16
TEMPERATURE = 4.0
EPSILON = 1e-8

Named = Mapping[str, Tensor]


def hard(logits: Tensor, labels: Tensor) -> Tensor:
    """H: logits (Nq, W) and labels (Nq,) int64."""
    return F.cross_entropy(logits, labels) / EPISODES


def summed(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of the teachers: cross-entropy summed over the queries, / 16."""
    return F.cross_entropy(logits, labels, reduction="sum") / EPISODES


def kd(student: Tensor, teacher: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """KD of (rows, ...); what follows the rows is one distribution."""
    log_p = F.log_softmax(student.flatten(1) / temperature, 1)
    log_q = F.log_softmax(teacher.flatten(1) / temperature, 1)
    return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * temperature**2


def correlations(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's correlation of every row: (rows, columns) twice to (rows,)."""
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    return (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1) + EPSILON)


def relation(student: Tensor, teacher: Tensor) -> Tensor:
    """R: how far the order of the columns differs, row by row (Huang et al., NeurIPS 2022, between classes only; no temperature)."""
    return 1 - correlations(student.softmax(1), teacher.softmax(1)).mean()


def share(above: Tensor, below: Tensor) -> Tensor:
    """f of two cross-entropies; detached."""
    return (1 - torch.exp(-(above / (below + EPSILON)).clamp_min(0))).detach()


@dataclass(frozen=True)
class Term:
    """One term: ``weight`` times (``base`` + ``slope`` f) times the ``loss`` of the output ``on``; ``target`` is the teacher's output.

    ``loss`` is ``"h"`` (labels), ``"kd"``, ``"r"`` or ``"mse"``.
    """

    loss: str
    on: str
    target: str = ""
    weight: float = 1.0
    base: float = 1.0
    slope: float = 0.0

    def value(self, outputs: Named, labels: Tensor, targets: Named, temperature: float) -> Tensor:
        """The term without its weight."""
        student = outputs[self.on]
        if self.loss == "h":
            return hard(student, labels)
        if self.target not in targets:
            raise ConfigError(f"the objective needs the teacher's {self.target!r}, and there is none", hint="objective = ce needs none")
        teacher = targets[self.target].detach()
        if self.loss == "kd":
            return kd(student, teacher, temperature)
        return relation(student, teacher) if self.loss == "r" else F.mse_loss(student, teacher)


@dataclass(frozen=True)
class Objective:
    """A sum of terms. ``compared``: the outputs whose cross-entropies make f; a name after ``teacher:`` is the teacher's."""

    terms: tuple[Term, ...]
    compared: tuple[str, str] | None = None

    def __call__(
        self, outputs: Named, labels: Tensor, targets: Named | None = None, *, temperature: float = TEMPERATURE
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The total, and every unweighted term as ``<loss>.<output>``, with ``f`` if there is one.

        ``labels`` are (Nq,) int64. Raises ConfigError for an output of the teacher that is not there.
        """
        targets = targets or {}
        parts: dict[str, Tensor] = {}
        f: Tensor | float = 0.0
        if self.compared:
            f = parts["f"] = share(*(_cross_entropy(name, outputs, targets, labels) for name in self.compared))
        values = []
        for term in self.terms:
            value = parts[f"{term.loss}.{term.on}"] = term.value(outputs, labels, targets, temperature)
            values.append(term.weight * (term.base + term.slope * f) * value)
        return torch.stack(values).sum(), parts


def _cross_entropy(name: str, outputs: Named, targets: Named, labels: Tensor) -> Tensor:
    of_teacher = name.startswith("teacher:")
    return F.cross_entropy(targets[name.removeprefix("teacher:")] if of_teacher else outputs[name], labels)


def _h(on: str, weight: float = 1.0, base: float = 1.0, slope: float = 0.0) -> Term:
    return Term("h", on, "", weight, base, slope)


def _kd(on: str, target: str = "kl", weight: float = 1.0, base: float = 1.0, slope: float = 0.0) -> Term:
    return Term("kd", on, target, weight, base, slope)


def _r(on: str, target: str, weight: float = 1.0, base: float = 1.0, slope: float = 0.0) -> Term:
    return Term("r", on, target, weight, base, slope)


_R_SUP, _KD_SUP = _r("sup", "sup", 0.5), _kd("sup", "sup", 0.5)

#: The objectives under their published names. ``logits``, ``kl``, ``ce``, ``sup`` ... are the outputs of the heads.
OBJECTIVES: Mapping[str, Objective] = {
    "ce": Objective((_h("logits"),)),
    "cece": Objective((_h("kl"), _h("ce"))),  # not published: two branches alone
    "KD": Objective((_h("logits"), _kd("logits", "kl", 2.0))),
    "Dist_KD": Objective((_h("logits"), _r("logits", "kl", 2.0))),
    "wsl": Objective((_h("logits"), _kd("logits", "kl", 2.0, base=0.0, slope=1.0)), ("logits", "teacher:kl")),
    "KL_feature": Objective((_h("logits"), _kd("logits", "kl", 2.0), Term("mse", "feature", "feature"))),
    "support_sim": Objective((_kd("support_set", "support_set"), _kd("query", "query"), _h("query"))),
    "fc_2": Objective((_h("fc_1"), _kd("fc_2", "kl", 2.0))),
    "fc_2_wsl": Objective((_h("fc_1", base=2.0, slope=-1.0), _kd("fc_2", slope=1.0)), ("fc_1", "fc_2")),
    "fc_2_sup": Objective(
        (
            _kd("kl", slope=1.0),
            _kd("sup", "sup", 0.1 / EPISODES, base=2.0, slope=-1.0),
            _h("ce", base=2.0, slope=-1.0),
        ),
        ("ce", "kl"),
    ),
    "fc_2_sup_dist": Objective((_kd("kl"), _R_SUP, _h("ce"))),
    "fc_2_sup_kl": Objective((_kd("kl"), _KD_SUP, _h("ce"))),
    "fc_2_sup_dist_cece": Objective((_kd("kl"), _h("kl"), _R_SUP, _h("ce"))),
    "fc_2_sup_klklcece": Objective((_kd("kl"), _h("kl"), _KD_SUP, _h("ce"))),
    "fc_2_sup_distdistcece": Objective((_r("kl", "kl"), _h("kl"), _R_SUP, _h("ce"))),
    "fc_2_sup_disver": Objective((_r("kl", "kl"), _h("kl"), _KD_SUP, _h("ce"))),
    "fc_2_sup_dist_wsl": Objective(
        (
            _kd("kl", base=0.5, slope=1.0),
            _r("sup", "sup", 0.5, base=1.5, slope=-1.0),
            _h("ce", base=1.5, slope=-1.0),
        ),
        ("ce", "kl"),
    ),
    "fc_2_sup_2": Objective((_kd("kl"), _r("sup_kl", "sup"), _h("ce"), _r("sup_ce", "sup"))),
    "fc_1_sup": Objective((_h("kl"), _kd("kl"), _R_SUP)),
    "e_dist_1fc_sup": Objective((_h("kl"), _kd("kl"), _R_SUP)),
    "fc_sup": Objective((_h("kl"), _R_SUP)),
    "strm": Objective((_h("pat", 0.1), _h("fr"))),
    "strm_KD": Objective((_h("pat", 0.1), _h("fr"), _kd("fr", "kl", 2.0))),
    "strm_fc_2_sup_dist": Objective((_kd("fr1"), _R_SUP, _h("fr2"), _kd("pat", "kl", 0.1), _h("pat", 0.1))),
    "strm_1fc_sup": Objective((_kd("fr"), _R_SUP, _h("fr"), _kd("pat", "kl", 0.1), _h("pat", 0.1))),
}
