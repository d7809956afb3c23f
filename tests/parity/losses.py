"""Losses on given tensors, with their gradients, and the accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from systems.videoqa.accuracy import QUESTION_TYPES, accuracy, predict
from systems.videoqa.losses import common_loss, dependence_loss, hard_loss, kd_loss, logit_kd
from tests.parity.case import Case, Mismatch, handles

LISTS = ("com_app", "com_motion", "aq_fusion", "mq_fusion")


def leaves(case: Case) -> dict[str, Tensor]:
    """Return the inputs as tensors; those with fractions collect gradients."""
    found = {name: torch.from_numpy(np.array(value)) for name, value in case.inputs.items()}
    return {name: value.requires_grad_() if value.is_floating_point() else value for name, value in found.items()}


@handles("loss_common_dependence*")
def common_dependence(case: Case) -> dict[str, Tensor]:
    got = {}
    for name, loss in (("common", common_loss), ("dependence", dependence_loss)):
        given = leaves(case)
        value = loss(given["emb1"], given["emb2"])
        value.backward()
        got |= {f"{name}_loss": value, f"{name}_grad1": given["emb1"].grad, f"{name}_grad2": given["emb2"].grad}
    return got


@handles("mkd_losses*")
def distillation(case: Case) -> dict[str, Any]:
    """All terms of a student's loss and the gradient of their sum. The teacher's feature is a constant."""
    config, given = case.config, leaves(case)
    lists = {name: [given[f"{name}.{layer}"] for layer in range(config["n_layers"])] for name in LISTS}
    hard = hard_loss(given["logits"], given["answers"], **lists, alpha=config["alpha"], beta=config["beta"])
    weights = {name: config[name] for name in ("kd_alpha", "kd_beta", "t_app", "t_mo")}
    student = given["student_appearance_feat"], given["student_motion_feat"]
    loss = kd_loss(hard, *student, given["teacher_visual_feat"].detach(), **weights)
    loss.total.backward()
    got = {"ce": hard.ce, "loss_com_sum": hard.common, "loss_dep_sum": hard.dependence, "hard_loss": hard.total}
    got |= {"app_loss": loss.app, "mo_loss": loss.mo, "total": loss.total}
    return got | {f"grad.{name}": value.grad for name, value in given.items() if value.grad is not None}


@handles("mkd_logit_kd_variant*")
def logit_variant(case: Case) -> dict[str, Tensor]:
    given = leaves(case)
    terms = {
        variant: logit_kd(given["logits"], given["teacher_logits"], case.config["temperature"], variant=variant)
        for variant in ("as_written", "corrected")
    }
    total = case.config["kd_alpha"] * given["hard_loss"] + terms["as_written"]
    return {f"distillation_{name}": value for name, value in terms.items()} | {"total_as_written": total}


@handles("eval_accuracy*")
def evaluation(case: Case) -> dict[str, Any]:
    """Accuracies from logits; also checks the predicted answers word by word."""
    given, answers = case.inputs, case.config["answer_vocab"]
    predicted = predict(given["logits"])
    for name, ids in (("predictions", predicted), ("ground_truth", given["answers"])):
        for row, (index, want) in enumerate(zip(ids, case.meta.get(name, []))):
            if answers[int(index)] != want:
                raise Mismatch(f"{name}[{row}]: {answers[int(index)]}, expected {want}")
    token_to_idx = {token: index for index, token in enumerate(case.config["question_vocab"])}
    result = accuracy(predicted, given["answers"], given["questions"][:, 0], token_to_idx)
    got: dict[str, Any] = {name: result.per_type.get(name, float("nan")) for name in QUESTION_TYPES}
    counts = np.array([result.counts.get(name, 0) for name in QUESTION_TYPES])
    return got | {"acc": result.overall, "counts_what_who_how_when_where": counts}
