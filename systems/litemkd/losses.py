"""What students and teachers minimise (spec D); the published objectives are a table in :mod:`systems.litemkd.objectives`.

Symbols: s and t are logits of student and teacher, (rows, columns). The 16 in H is the published number of episodes a step.

    CE(s)   = mean cross-entropy over the queries                       H(s) = CE(s) / 16
    KD(s,t) = tau^2 mean over rows of sum_c p_t (ln p_t - ln p_s),      p = softmax(. / tau), tau = 4
    R(s,t)  = 1 - mean over rows of the correlation of softmax(s) with softmax(t)
    f       = 1 - exp(-max(CE(a) / (CE(b) + 1e-8), 0)),                 a share that weighs terms; no gradient passes it

Gradients of 16 episodes are summed before a step, and of all terms only H has the 1/16.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import ConfigError
from systems.litemkd.objectives import EPISODES, Objective, Term

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


def value(term: Term, outputs: Named, labels: Tensor, targets: Named, temperature: float) -> Tensor:
    """The term without its weight."""
    student = outputs[term.on]
    if term.loss == "h":
        return hard(student, labels)
    if term.target not in targets:
        raise ConfigError(f"the objective needs the teacher's {term.target!r}, and there is none", hint="objective = ce needs none")
    teacher = targets[term.target].detach()
    if term.loss == "kd":
        return kd(student, teacher, temperature)
    return relation(student, teacher) if term.loss == "r" else F.mse_loss(student, teacher)


def total(
    objective: Objective, outputs: Named, labels: Tensor, targets: Named | None = None, *, temperature: float = TEMPERATURE
) -> tuple[Tensor, dict[str, Tensor]]:
    """The total of an objective, and every unweighted term as ``<loss>.<output>``, with ``f`` if there is one.

    ``labels`` are (Nq,) int64. Raises ConfigError for an output of the teacher that is not there.
    """
    targets = targets or {}
    parts: dict[str, Tensor] = {}
    f: Tensor | float = 0.0
    if objective.compared:
        f = parts["f"] = share(*(_cross_entropy(name, outputs, targets, labels) for name in objective.compared))
    values = []
    for term in objective.terms:
        worth = parts[f"{term.loss}.{term.on}"] = value(term, outputs, labels, targets, temperature)
        values.append(term.weight * (term.base + term.slope * f) * worth)
    return torch.stack(values).sum(), parts


def _cross_entropy(name: str, outputs: Named, targets: Named, labels: Tensor) -> Tensor:
    of_teacher = name.startswith("teacher:")
    return F.cross_entropy(targets[name.removeprefix("teacher:")] if of_teacher else outputs[name], labels)
