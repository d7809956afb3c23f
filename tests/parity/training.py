"""A few optimizer steps of the base network and of a student, with every dropout off."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from systems.videoqa.losses import HardLoss, hard_loss, kd_loss
from systems.videoqa.model import DualVGR, DualVGROutput
from tests.parity.case import Case, Mismatch, handles, load_filled
from tests.parity.dualvgr import build, tensors


@handles("dualvgr_train_steps*")
def base_steps(case: Case) -> dict[str, Any]:
    """Adam steps on the hard loss."""
    config = case.config
    model = case.fill(build(config, graph_layers=config["graph_layers"], unit_layers=config.get("unit_layers", 1), dropout=0.0))
    return train(case, model)


@handles("mkd_train_steps*")
def student_steps(case: Case) -> dict[str, Any]:
    """Adam steps on the student's loss; the teacher is filled from its own seed and stays in eval mode."""
    config, teacher = case.config, case.meta["teacher"]
    network = build(config, graph_layers=teacher["graph_layers"], unit_layers=teacher["unit_layers"])
    load_filled(network, teacher["state"], teacher["seed"]).eval()
    with torch.no_grad():
        target = network(*tensors(case)).fused
    layers = config.get("student_graph_layers", 1)
    model = case.fill(build(config, graph_layers=layers, unit_layers=config.get("unit_layers", 1), dropout=0.0))
    return {"teacher_visual_feat": target, **train(case, model, target)}


def train(case: Case, model: DualVGR, target: Tensor | None = None) -> dict[str, Any]:
    """Take the case's steps; return the terms of every step, the first step's gradients and the final state."""
    config, given = case.config, tensors(case)
    answers = torch.from_numpy(case.inputs["answers"])
    optimizer = torch.optim.Adam(model.parameters(), lr=config["lr"])
    model.train()
    got: dict[str, Any] = {}
    for step in range(config["steps"]):
        optimizer.zero_grad()
        out = model(*given)
        total, terms = objective(case, out, answers, target)
        total.backward()
        if step == 0:
            got |= {"step0.logits": out.logits.detach().clone(), **gradients(case, model)}
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config["clip_grad_norm"])
        optimizer.step()
        got |= {f"step{step}.{name}": value.detach() for name, value in {**terms, "grad_norm_before_clip": norm}.items()}
    _tolerances(case)
    return got | {f"final.{name}": value for name, value in model.state_dict().items()}


def objective(case: Case, out: DualVGROutput, answers: Tensor, target: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a step and its terms under the case's names."""
    config = case.config
    hard: HardLoss = hard_loss(
        out.logits, answers, out.com_app, out.com_motion, out.aq_fusion, out.mq_fusion, alpha=config["alpha"], beta=config["beta"]
    )
    terms = {"total": hard.total, "hard_loss": hard.total, "ce": hard.ce, "loss_com_sum": hard.common, "loss_dep_sum": hard.dependence}
    if target is None:
        return hard.total, terms
    weights = {name: config[name] for name in ("kd_alpha", "kd_beta", "t_app", "t_mo")}
    loss = kd_loss(hard, out.appearance, out.motion, target, **weights)
    return loss.total, {**terms, "total": loss.total, "app_loss": loss.app, "mo_loss": loss.mo}


def gradients(case: Case, model: DualVGR) -> dict[str, Tensor]:
    """Return copies of the first step's gradients; parameters without one must be those that the case lists."""
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    without = sorted(name for name, gradient in found.items() if gradient is None)
    expected = sorted(case.meta.get("none_grad") or [])
    if without != expected:
        raise Mismatch(f"parameters without gradient: {without}, expected {expected}")
    return {f"step0.grad.{name}": gradient.clone() for name, gradient in found.items() if gradient is not None}


def _tolerances(case: Case) -> None:
    """The cases' ``tolerance_note``: later steps and tiny gradients hold amplified rounding noise."""
    config = case.config
    largest = max((float(abs(value).max()) for name, value in case.outputs.items() if ".grad." in name), default=1.0)
    case.allow("step*", relative=1e-3)
    case.allow("step0.*", relative=1e-4)
    case.allow("step*.loss_dep_sum", relative=1e-2)
    case.allow("step0.grad.*", relative=1e-3, scale=largest)
    case.allow("step*.grad_norm_before_clip", relative=1e-2)
    case.allow("step0.grad_norm_before_clip", relative=1e-3)
    case.allow("final.*", absolute=2 * config["lr"] * config["steps"])
