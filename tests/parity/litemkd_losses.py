"""Parity of the few-shot system's objectives and of its metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from systems.litemkd.losses import Named, correlations, kd, relation, summed, total
from systems.litemkd.metric import accuracies, summary
from systems.litemkd.objectives import OBJECTIVES
from tests.parity.case import Case, handles
from tests.parity.litemkd import GRADIENTS, tensors

#: what a case calls an output -> the name in our table, where objectives are fed with one tensor and not with named ones
PLAIN = {"student": "logits", "teacher": "kl"}
#: the teacher's names, where a case gives them otherwise
RENAMED = {"logits": "kl"}

H_CE, D2M = {"h.ce": 1.0}, {"r.sup": 0.5, "h.ce": 1.0}
#: reported value -> the unweighted terms that it is a sum of. These are the curves of the published code, with whatever it leaves out.
REPORTED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "KD": {"hard_loss": {"h.logits": 1.0}, "soft_loss": {"kd.logits": 2.0}},
    "wsl": {"hard_loss": {"h.logits": 1.0}},
    "Dist_KD": {"hard_loss": {"h.logits": 1.0}, "soft_loss": {"r.logits": 2.0}},
    "support_sim": {"hard_loss": {"h.query": 1.0}, "soft_support_loss": {"kd.support_set": 1.0}, "soft_query_loss": {"kd.query": 1.0}},
    "KL_feature": {"hard_loss": {"h.logits": 1.0}, "soft_loss": {"kd.logits": 2.0}, "feature_loss": {"mse.feature": 1.0}},
    "fc_2": {"hard_loss": {"h.fc_1": 1.0}, "soft_loss": {"kd.fc_2": 2.0}},
    "fc_2_wsl": {"aerfa": {"f": 1.0}},
    "strm": {"pat_loss": {"h.pat": 1.0}, "fr_loss": {"h.fr": 1.0}},
    "strm_KD": {"pat_loss": {"h.pat": 1.0}, "fr_loss": {"h.fr": 1.0}, "softloss": {"kd.fr": 2.0}},
    "fc_2_sup": {"soft_loss": {"kd.kl": 1.0}, "hard_loss": {"kd.sup": 0.01 / 16, "h.ce": 1.0}},
    "fc_2_sup_dist": {"soft_loss": {"kd.kl": 1.0}, "hard_loss": D2M},
    "fc_2_sup_kl": {"soft_loss": {"kd.kl": 1.0}, "hard_loss": {"kd.sup": 0.5, **H_CE}},
    "fc_2_sup_dist_cece": {"soft_loss": {"kd.kl": 1.0}, "hard_loss": D2M},
    "fc_2_sup_klklcece": {"soft_loss": {"kd.kl": 1.0}, "hard_loss": {"kd.sup": 0.5, **H_CE}},
    "fc_2_sup_distdistcece": {"soft_loss": {"r.kl": 1.0}, "hard_loss": D2M},
    "fc_2_sup_disver": {"soft_loss": {"kd.sup": 1.0}, "hard_loss": {"r.kl": 1.0, **H_CE}},
    "fc_2_sup_dist_wsl": {"soft_loss": {"kd.kl": 1.0}, "hard_loss": D2M},
    "fc_2_sup_2": {"soft_loss": {"kd.kl": 1.0, "r.sup_kl": 0.5}, "hard_loss": {"r.sup_ce": 0.5, **H_CE}},
}


def named(wired: Any, given: Mapping[str, Tensor], side: str) -> dict[str, Tensor]:
    """The tensors of one side by our names: ``wired`` is the name of an input, or output -> input."""
    if isinstance(wired, str):
        return {PLAIN[side]: given[wired]}
    return {RENAMED.get(output, output) if side == "teacher" else output: given[name] for output, name in wired.items()}


@handles("distill_losses*")
def objectives(case: Case) -> dict[str, Any]:
    """Every objective of the case's wiring: its total, what the original reports, and the gradients of the total."""
    temperature, got = float(case.config["cfg"]["temperature"]), primitives(case)
    labels = tensors(case)["labels"]
    for name, (student, teacher) in case.config["wiring"].items():
        given = leaves(case)
        outputs, targets = named(student, given, "student"), named(teacher, given, "teacher")
        loss, parts = total(OBJECTIVES[name], outputs, labels, targets, temperature=temperature)
        loss.backward()
        got[f"{name}.loss"] = loss
        for term, mixture in reported(name, parts).items():
            got[f"{name}.{term}"] = sum(weight * parts[part] for part, weight in mixture.items())
        got |= {f"{name}.grad.{key}": value.grad for key, value in given.items() if value.grad is not None}
    case.allow("*", relative=1e-5)
    case.allow("*.grad*", relative=GRADIENTS)
    return got


def reported(name: str, parts: Named) -> Mapping[str, Mapping[str, float]]:
    """The curves of one objective; where f weighs them, that share is in the mixture."""
    f = float(parts.get("f", 0.0))
    if name == "wsl":
        return {**REPORTED[name], "soft_loss": {"kd.logits": 2.0 * f}}
    if name == "fc_2_wsl":
        return {**REPORTED[name], "hard_loss": {"h.fc_1": 2.0 - f}, "soft_loss": {"kd.fc_2": 1.0 + f}}
    return REPORTED.get(name, {})


def leaves(case: Case) -> dict[str, Tensor]:
    return {name: value.requires_grad_(value.is_floating_point()) for name, value in tensors(case).items()}


def primitives(case: Case) -> dict[str, Any]:
    """The terms alone: KD at two temperatures, R and its gradient, correlations, the teachers' loss and its gradient."""
    given = leaves(case)
    student, teacher, near, far = (given[name] for name in ("s_kl", "t_kl", "s_sup", "t_sup"))
    got = {"prim.kd_T1": kd(student, teacher, 1.0), "prim.kd_T4": kd(student, teacher, 4.0), "prim.dist": relation(near, far)}
    got["prim.dist"].backward()
    got |= {"prim.dist.grad": near.grad, "prim.pearson_rows": correlations(near.softmax(1), far.softmax(1))}
    loss = summed(student, given["labels"])
    loss.backward()
    got |= {"prim.teacher_sum_ce": 16 * loss, "prim.teacher_sum_ce_over16.grad": student.grad[None]}
    return got | {"prim.KLDivloss_sum_T4": len(student) * got["prim.kd_T4"] / 4.0**2}


@handles("episode_metric*")
def metric(case: Case) -> dict[str, Any]:
    given = case.inputs
    each = accuracies(given["logits"], given["labels"])
    mean, half_width = summary(each)
    return {"episode_accuracy": each.astype(np.float32), "accuracy": mean, "confidence": half_width}
