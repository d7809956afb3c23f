"""Networks of the few-frames system: NeXtVLAD, its mixture, H-LSTM, NetVLAD, and steps of distillation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.training.clipping import each_tensor
from systems.fewerframes import frames
from systems.fewerframes.arithmetic import Normalisation, l2
from systems.fewerframes.classifiers import penalty
from systems.fewerframes.hlstm import HLSTM
from systems.fewerframes.losses import PRESETS, Objective, Target, Term, cross_entropy
from systems.fewerframes.mixture import MixNeXtVLAD, self_distillation
from systems.fewerframes.netvlad import NetVLAD
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.optimiser import TFAdam
from tests.parity.case import Case, handles, load_case, load_filled

FORWARD = 1e-5
GRADIENT = 1e-3
NOISE = 1e-6
"""A shift before a batch norm has no effect: its gradient is 0 but for rounding."""
CLASSIFIERS = {"LogisticModel": "logistic", "MoeModel": "moe"}
BATCH_NORMS = ("running_mean", "running_var")


def arguments(config: Mapping[str, Any], classes: int | None = None) -> dict[str, Any]:
    """Arguments of a NeXtVLAD from a case's configuration."""
    return {
        "classes": classes or config["num_classes"],
        "feature_sizes": tuple(config.get("feature_sizes", (1024, 128))),
        "groups": config["groups"],
        "clusters": config["nextvlad_cluster_size"],
        "hidden": config["nextvlad_hidden_size"],
        "expansion": config["expansion"],
        "gating_reduction": config["gating_reduction"],
        "drop_rate": config["drop_rate"],
        "classifier": CLASSIFIERS[config.get("video_level_classifier_model", "LogisticModel")],
        "experts": config.get("moe_num_mixtures", 4),
    }


def one(state: Mapping[str, Any], who: str) -> dict[str, Any]:
    """The entries of ``teacher.`` or ``student.``."""
    return {name: shape for name, shape in state.items() if name.startswith(f"{who}.")}


def filled(case: Case, model: nn.Module, who: str = "") -> nn.Module:
    """Fill ``model``; the numbers of a teacher or student come from names with that prefix."""
    if not who:
        return case.fill(model)
    wrapper = nn.Module()
    wrapper.add_module(who, model)
    load_filled(wrapper, one(case.meta["state"], who), int(case.meta.get("seed") or 0))
    return model


def given(case: Case, *names: str) -> list[Tensor]:
    return [torch.from_numpy(np.array(case.inputs[name])) for name in names]


def present_of(x: Tensor, num_frames: Tensor) -> Tensor:
    return torch.arange(x.shape[1]) < num_frames[:, None]


@handles("nextvlad_small_eval*", "nextvlad_small_moe_eval*")
@torch.no_grad()
def small(case: Case) -> dict[str, Any]:
    """Forward pass with the intermediate tensors of the rgb encoder."""
    model = filled(case, NeXtVLAD(**arguments(case.config))).eval()
    x, num_frames = given(case, "x", "num_frames")
    present = present_of(x, num_frames)
    shared = model.encoders[0].assign(x[..., : model.feature_sizes[0]], present)
    attention = shared.attention.reshape(len(x), -1, 1)
    out = model(x, present)
    case.allow("*", relative=FORWARD)
    return {
        "predictions": out.probabilities,
        "logits": out.logits,
        "representation": out.representation,
        "vlad_concat": model.encode(x, present),
        "video_group_attention_masked": attention,
        "video_assignment": shared.clusters,
        "video_assignment_times_attention": shared.clusters * attention,
        "reg_loss": penalty(model, case.config["l2_penalty"]),
    }


@handles("nextvlad_small_student*")
@torch.no_grad()
def small_student(case: Case) -> dict[str, Any]:
    model = filled(case, NeXtVLAD(**arguments(case.config))).eval()
    x, num_frames = given(case, "x", "num_frames")
    rows = torch.from_numpy(frames.steps(case.config["k_frame"], x.shape[1]))
    out = model(x[:, rows], present_of(x, num_frames)[:, rows])
    case.allow("*", relative=FORWARD)
    return {"predictions": out.probabilities, "logits": out.logits, "representation": out.representation}


@handles("nextvlad_small_train*")
def small_train(case: Case) -> dict[str, Any]:
    """One training step's forward and backward pass, and the moving statistics after it."""
    model = filled(case, NeXtVLAD(**arguments(case.config))).train()
    x, num_frames, labels = given(case, "x", "num_frames", "y")
    x.requires_grad_()
    out = model(x, present_of(x, num_frames))
    label_loss, reg_loss = cross_entropy(out.probabilities, labels), penalty(model, case.config["l2_penalty"])
    (label_loss + reg_loss).backward()
    case.allow("*", relative=FORWARD)
    case.allow("grad*", relative=GRADIENT, absolute=NOISE)
    return {
        "predictions": out.probabilities,
        "logits": out.logits,
        "representation": out.representation,
        "label_loss": label_loss,
        "reg_loss": reg_loss,
        "total_loss": label_loss + reg_loss,
        "grad_x": x.grad,
        **{f"grad.{name}": parameter.grad for name, parameter in model.named_parameters()},
        **{f"after.{name}": value for name, value in model.named_buffers()},
    }


@handles("mixnextvlad_small*")
def mixture(case: Case) -> dict[str, Any]:
    """The mixture; in training mode with its losses."""
    config = case.config
    model = filled(case, MixNeXtVLAD(branches=config["mix_number"], **arguments(config)))
    training = str(case.meta["mode"]).startswith("train")
    x, num_frames, labels = given(case, "x", "num_frames", "y")
    out = model.train(training)(x, present_of(x, num_frames))
    branches = torch.sigmoid(out.branches)
    label_loss = cross_entropy(out.mixed.probabilities, labels) + sum(cross_entropy(branch, labels) for branch in branches.unbind(1))
    kd = config["cl_lambda"] * self_distillation(out.mixed.logits, out.branches, config["cl_temperature"])
    case.allow("*", relative=FORWARD)
    return {
        "predictions": out.mixed.probabilities,
        "mix_weights": out.weights,
        "aux_predictions": branches,
        "label_loss": label_loss,
        "kd_loss": kd,
        "l2_loss": sum(penalty(model.get_submodule(name), config["l2_penalty"]) for name in model.branches),
    }


@handles("nextvlad_full_teacher*", "nextvlad_full_student*")
@torch.no_grad()
def full(case: Case) -> dict[str, Any]:
    """The published configuration from uint8."""
    out = full_output(case)
    return {"representation": out.representation, "logits": out.logits, "predictions": out.probabilities}


def full_output(case: Case) -> Any:
    """Output of the full network of ``case``, all frames or every j-th of the grid."""
    config = case.config
    who = next(iter(case.meta["state"])).split(".")[0]
    with torch.device("meta"):
        model = NeXtVLAD(**arguments(config))
    model = filled(case, model.to_empty(device="cpu"), who).eval()
    codes = case.inputs.get("q")
    if codes is None:
        with np.load(case.directory / "nextvlad_full_teacher.npz") as stored:
            codes = stored["q"]
    x = torch.from_numpy(codes)
    present = present_of(x, torch.from_numpy(case.inputs["num_frames"]))
    frames_in = whitening(case).network_input(x, present)
    rows = torch.from_numpy(frames.steps(config["k_frame"], x.shape[1]))
    return model(frames_in[:, rows], present[:, rows])


def whitening(case: Case) -> Normalisation:
    """Reverse whitening with the eigenvalues that the normalisation's own case holds."""
    with np.load(case.directory / "input_norm.npz") as stored:
        return Normalisation("whitening", torch.from_numpy(stored["eigenvals_1024"]))


@handles("nextvlad_full_kd_losses*")
@torch.no_grad()
def full_losses(case: Case) -> dict[str, Any]:
    """The terms between the full teacher and the full student, both run here."""
    outs = {}
    for name in ("nextvlad_full_teacher", "nextvlad_full_student_k6"):
        other = load_case(case.directory / f"{name}.json")
        assert other is not None
        outs[name] = full_output(other)
    teacher, student = outs.values()
    (labels,) = given(case, "y")
    total, parts = PRESETS["reimpl"](student, labels, Target(teacher.representation, teacher.probabilities))
    case.allow("*", relative=GRADIENT)
    return {
        "l_ce": parts["ce"],
        "l_ce_teacher": cross_entropy(teacher.probabilities, labels),
        "l_rep": parts["rep"],
        "l_pred": parts["pred"],
        "total": total,
    }


@handles("netvlad_small*")
@torch.no_grad()
def netvlad(case: Case) -> dict[str, Any]:
    """NetVLAD with context gating on frames sampled with replacement."""
    config = case.config
    classes = case.meta["state"]["gating_prob_weights"][0]
    widths = tuple(case.meta["state"][f"{scope}.cluster_weights"][0] for scope in ("video_VLAD", "audio_VLAD"))
    model = NetVLAD(
        classes,
        feature_sizes=widths,
        clusters=config["netvlad_cluster_size"],
        hidden=config["netvlad_hidden_size"],
        relu=config["netvlad_relu"],
        gating=config["gating"],
        probability_gating=config["moe_prob_gating"],
        experts=config["moe_num_mixtures"],
    )
    filled(case, model).train(str(case.meta["mode"]).startswith("train"))
    x, num_frames, draws = given(case, "x", "num_frames", "u")
    rows = torch.from_numpy(frames.with_replacement(draws.numpy(), num_frames.numpy()))
    sampled = l2(x)[torch.arange(len(x))[:, None], rows]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    vlad = model.encode(sampled)
    model.load_state_dict(state)
    out = model(sampled)
    case.allow("*", relative=FORWARD)
    return {
        "sampled_frames": sampled,
        "predictions": out.probabilities,
        "representation": out.representation,
        "reg_loss": penalty(model, config["moe_l2"]),
        "vlad_concat": vlad,
    }


@handles("hlstm_small*")
def hlstm(case: Case) -> dict[str, Any]:
    """The authors' teacher and student, trained in parallel: both totals and the gradients of both."""
    config = case.config
    x, num_frames, labels = given(case, "x", "num_frames", "y")
    size = config["max_num_frames"]
    normalised = l2(x)
    rows = torch.from_numpy(frames.every(config["every_n"], size))
    lengths = frames.authors_length(num_frames.numpy(), config["every_n"], size)
    sizes = {
        "classes": config["num_classes"],
        "width": x.shape[-1],
        "cells": config["lstm_cells"],
        "layers": config["lstm_layers"],
        "experts": config["moe_num_mixtures"],
    }
    teacher = filled(case, HLSTM(blocks=size // (size // config["num_inputs_to_lstm"]), **sizes), "teacher")
    student = filled(case, HLSTM(blocks=config["num_inputs_L1_student"], **sizes), "student")
    teacher_out = teacher(normalised, present_of(normalised, num_frames))
    kept = normalised[:, rows]
    student_out = student(kept, present_of(kept, torch.from_numpy(lengths)))
    total, parts = PRESETS["authors"](student_out, labels, Target(teacher_out.representation, teacher_out.probabilities))
    student_l2, teacher_l2 = (penalty(model.classifier, config["l2_penalty"]) for model in (student, teacher))
    student_total = total + config["regularization_penalty"] * student_l2
    teacher_ce = cross_entropy(teacher_out.probabilities, labels, 1e-5)
    teacher_total = teacher_ce + config["regularization_penalty"] * teacher_l2
    student_total.backward()
    teacher_total.backward()
    gradients = {
        f"grad_{who}.{name}": parameter.grad
        for who, model in (("student", student), ("teacher", teacher))
        for name, parameter in model.named_parameters()
    }
    case.allow("*", relative=FORWARD)
    case.allow("grad_*", relative=GRADIENT, absolute=NOISE)
    return {
        "normalized": normalised,
        "student_input": kept,
        "student_num_frames": lengths,
        "teacher_state": teacher_out.representation,
        "teacher_predictions": teacher_out.probabilities,
        "student_state": student_out.representation,
        "student_predictions": student_out.probabilities,
        "L_rep": parts["rep"],
        "L_pred": parts["pred"],
        "L_ce": parts["ce"],
        "teacher_ce": teacher_ce,
        "student_l2": student_l2,
        "teacher_l2": teacher_l2,
        "student_total": student_total,
        "teacher_total": teacher_total,
        **gradients,
    }


@handles("kd_step_small*")
def distillation_steps(case: Case) -> dict[str, Any]:
    """Three steps with the teacher in training mode inside the step, so that its moving statistics move (quirks 4 and 5).

    In float64: Adam turns rounding of tiny gradients into steps of full length, which in float32 differ from seed to seed.
    """
    config = case.config
    teacher = filled(case, NeXtVLAD(**arguments(config)), "teacher").double().train()
    student = filled(case, NeXtVLAD(**arguments(config)), "student").double().train()
    x, num_frames, labels = given(case, "x", "num_frames", "y")
    x, labels = x.double(), labels.double()
    present = present_of(x, num_frames)
    rows = torch.from_numpy(frames.steps(config["k_frame"], x.shape[1]))
    objective = Objective((Term("rep", "rep", config["w_rep"], reduction="sum"), Term("pred", "pred", config["w_pred"], reduction="sum")))
    *betas, epsilon = config["adam"]
    optimizer = TFAdam(student.parameters(), lr=config["lr"], betas=tuple(betas), epsilon=epsilon)
    clip = each_tensor(config["clip_gradient_norm"])
    got: dict[str, Any] = {}
    history = []
    for step in range(1, 4):
        optimizer.zero_grad()
        with torch.no_grad():
            said = teacher(x, present)
        out = student(x[:, rows], present[:, rows])
        total, parts = objective(out, labels, Target(said.representation, said.probabilities))
        total.backward()
        history.append([float(v.detach()) for v in (parts["ce"], parts["rep"], parts["pred"], cross_entropy(said.probabilities, labels))])
        if step == 1:
            got |= {"teacher_representation": said.representation, "teacher_predictions": said.probabilities}
            got |= {"student_predictions": out.probabilities.detach(), "final_loss": total.detach()}
            got |= {f"grad.{name}": parameter.grad.clone() for name, parameter in student.named_parameters()}
            got |= {f"teacher_after1.{name}": value.clone() for name, value in teacher.state_dict().items()}
        clip(list(student.parameters()))
        optimizer.step()
        got |= {f"student_after{step}.{name}": value.clone() for name, value in student.state_dict().items()}
    case.allow("grad.*", relative=GRADIENT, absolute=NOISE)
    return got | {"loss_history": np.array(history)}
