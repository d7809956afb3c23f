"""One training episode of a student: its loss, from the frames to the objective."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from systems.litemkd import losses
from systems.litemkd.heads import Outputs
from systems.litemkd.model import Student
from systems.litemkd.objectives import Objective


def loss(
    student: Student,
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    wanted: Tensor,
    targets: Mapping[str, Tensor] | None,
    objective: Objective,
    temperature: float,
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The total, its unweighted parts by name, and the answer (Nq, W), detached.

    ``support`` (Ns, T, 3, H, W) and ``query`` are the networks' input, float32; ``labels`` (Ns,) and ``wanted`` (Nq,) int64. Support and
    query pass the backbone one after the other, each with its own batch statistics. Gradients reach the student's parameters when the
    total is differentiated.
    """
    known, asked = student.backbone(support), student.backbone(query)
    return compared(student, known, labels, asked, wanted, targets, objective, temperature)


def compared(
    student: Student,
    known: Mapping[str, Tensor],
    labels: Tensor,
    asked: Mapping[str, Tensor],
    wanted: Tensor,
    targets: Mapping[str, Tensor] | None,
    objective: Objective,
    temperature: float,
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The same from features by name, (N, T, D), of support and query clips."""
    outputs: Outputs = student.classifier(known, labels, asked)
    if any(term.on == "feature" for term in objective.terms):
        outputs["feature"] = torch.cat([known["first"], asked["first"]])
    total, parts = losses.total(objective, outputs, wanted, targets, temperature=temperature)
    return total, parts, student.answer(outputs).detach()
