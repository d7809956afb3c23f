"""Parity of whole students on frames, and of one distilled training episode."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from systems.litemkd import aliases, losses, published
from systems.litemkd.heads import Head, Outputs
from systems.litemkd.model import Student
from systems.litemkd.objectives import OBJECTIVES
from tests.parity.case import Case, handles, load_filled
from tests.parity.litemkd import GRADIENTS, tensors

FRAMES = 8
EVERY = 32
#: features of a backbone -> their names in a case
FEATURES = {
    ("first",): {"first": "{0}_features"},
    ("first", "second"): {"first": "{0}.{0}_features_1", "second": "{0}.{0}_features_2"},
    ("patches", "first"): {"patches": "{0}.distance", "first": "{0}.trx"},
    ("patches", "first", "second"): {"patches": "{0}.distance", "first": "{0}.trx1", "second": "{0}.trx2"},
}
#: gradients that a case holds -> of which parameter
GRADIENTS_OF = {
    "grad_fc1_bias": "backbone.fc1.bias",
    "grad_fc2_bias": "backbone.fc2.bias",
    "grad_norm_k_weight": "classifier.transformers.norm_k.weight",
}


def clips(frames: Tensor) -> Tensor:
    """Network input (N, 8, 3, H, W) of uint8 frames (8 N, 3, H, W): divided by 255, nothing else."""
    return (frames.float() / 255).unflatten(0, (-1, FRAMES))


def named(case: Case) -> dict[str, Any]:
    """What builds the student of a case, from its published names."""
    config = case.config
    network, shape = aliases.ours(aliases.BACKBONES, config["backbone"], "backbone")
    if config.get("mobilenet"):
        network = f"mobilenet_v3_{config['mobilenet']}"
    head = aliases.ours(aliases.HEADS, config["classifier"], "head")
    return {"network": network, "shape": shape, "head": head, "out_dim": config["out_dim"]}


def student(case: Case, options: dict[str, Any], dropout: float = 0.1) -> Student:
    """A filled student, with the case's gain on convolutions."""
    net = case.fill(Student(**options, dropout=dropout, support_grouping="position"))
    gain = (case.meta.get("fill_gain") or {}).get("value", 1.0)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.ndim == 4:
                value.mul_(gain)
    return net


@handles("student_*_d2m*", "student_*_plain*")
def forward(case: Case) -> dict[str, Any]:
    """Features and outputs of a whole student."""
    given, net = tensors(case), student(case, named(case)).eval()
    with torch.inference_mode():
        support, query = net.backbone(clips(given["support_u8"])), net.backbone(clips(given["query_u8"]))
        outputs = net.classifier(support, given["support_labels"], query)
    case.allow("*", relative=1e-3)
    got: Outputs = {}
    for side, features in (("context", support), ("target", query)):
        names = FEATURES[tuple(features)]
        got |= {f"feat.{names[name].format(side)}": value[..., ::EVERY] for name, value in features.items()}
    if set(outputs) == {"logits"}:
        return got | outputs
    return got | {f"logits_{name}": value for name, value in outputs.items()} | {"logits_fused": net.answer(outputs)}


@handles("train_step_*")
def distilled_episode(case: Case) -> dict[str, Any]:
    """One episode in training mode without dropout: outputs, losses, gradients, batch statistics, and a step of SGD.

    The student is read off the names of its state, the objective off the source.
    """
    config, given = case.config, tensors(case)
    dropout = config["trans_dropout"]
    state = {name: torch.empty(shape, device="meta") for name, shape in case.meta["state"].items()}
    net = student(case, published.student_options(state), dropout).train()
    objective = OBJECTIVES[re.search(r"distillers\.py:(\w+)", case.meta["source"])[1]]
    teacher = Head("trx-support", dropout=dropout, support_grouping="position")
    load_filled(teacher, case.meta["teacher_state"], case.meta["teacher_seed"], fixed=("transformers.pe.pe",))
    labels, query_labels = given["support_labels"], given["query_labels"].long()
    outputs = net(clips(given["support_u8"]), labels, clips(given["query_u8"]))
    with torch.no_grad():
        targets = teacher({"first": given["teacher_support"]}, labels, {"first": given["teacher_query"]})
    total, parts = losses.total(objective, outputs, query_labels, targets, temperature=config["temperature"])
    total.backward()
    parameters = dict(net.named_parameters())
    gradients = {name: value.grad for name, value in parameters.items()}
    first = case.meta["grad_norm_names"][0]
    before = parameters[first].detach().clone()
    torch.optim.SGD(net.parameters(), config["lr"], config["momentum"], weight_decay=config["weight_decay"]).step()
    case.allow("*", relative=1e-3)
    case.allow("grad*", relative=GRADIENTS)
    case.allow("sgd_delta*", relative=GRADIENTS, absolute=float(before.abs().max()) * torch.finfo(before.dtype).eps)
    # ReLU and max pooling pass a number within rounding of another elsewhere: without AVX-512 1.8e-3, PyTorch without oneDNN 7.3e-3
    for name in ("grad_conv1", "sgd_delta_conv1"):
        case.allow(name, relative=1e-2)
    norms = [0.0 if gradients[name] is None else float(gradients[name].norm()) for name in case.meta["grad_norm_names"]]
    state = net.state_dict()
    return {
        **{f"student_{name}": value for name, value in outputs.items()},
        **{f"teacher_{name}": value for name, value in targets.items()},
        "loss": total,
        "soft_loss": parts["kd.kl"],
        "hard_loss": 0.5 * parts["r.sup"] + parts["h.ce"],
        "grad_norms": torch.tensor(norms),
        "grad_conv1": gradients[first],
        **{name: gradients[parameter] for name, parameter in GRADIENTS_OF.items() if parameter in gradients},
        "sgd_delta_conv1": parameters[first] - before,
        **{name: state[name.removeprefix("bn.")] for name in case.outputs if name.startswith("bn.")},
    }
