"""Parity of gkd's recognition network, its CVAE, its losses, one two-step iteration, and the fusion of two streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.training.updates import Learner
from systems.gkd.attention import weigh
from systems.gkd.cvae import CVAE, NAMES, Reconstruction
from systems.gkd.freezing import kept_statistics
from systems.gkd.generative_losses import cvae_loss, divergence, squared
from systems.gkd.recognition import published
from systems.gkd.recognition.fusion import accuracies, scores
from systems.gkd.recognition.losses import classification, objective
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.two_steps import Settings, Teacher, TwoSteps, updates
from tests.parity.case import Case, handles, load_filled
from tests.parity.i3d import after_fill, enlarge, recipe, summaries

#: tolerance of gradients, as the specification says
GRADIENTS = 1e-3


def tensors(case: Case, *, gradients: str = "") -> dict[str, Tensor]:
    """The inputs; those named in ``gradients`` collect theirs."""
    found = {name: torch.from_numpy(np.array(value)) for name, value in case.inputs.items()}
    for name in gradients.split():
        found[name].requires_grad_()
    return found


def clip(case: Case, name: str = "a") -> Tensor:
    """A clip of a case, enlarged as its recipe says."""
    return torch.from_numpy(enlarge(case.inputs[name], recipe(case, name)))


def shapes_of(case: Case, prefix: str = "") -> dict[str, Any]:
    """Name -> shape of the part of a case's state whose names begin so."""
    return {name: shape for name, shape in case.meta["state"].items() if name.startswith(prefix)}


def recogniser(case: Case, prefix: str = "", dropout: float = 0.5) -> Recogniser:
    """The network of a case, read off its state, filled and changed as the case says."""
    found = shapes_of(case, prefix)
    state = {name.removeprefix(prefix): torch.empty(shape, device="meta") for name, shape in found.items()}
    # the published layout: the gradients of a case agree to 1e-3 only if no entry changes sides in a ReLU or a maximum
    return prefixed_fill(case, Recogniser(**published.options(state), dropout=dropout, channels_last=False), prefix)


def cvae(case: Case, prefix: str = "") -> CVAE:
    """The branches of a CVAE that a case's state has, filled."""
    found = {name.removeprefix(prefix): shape for name, shape in shapes_of(case, prefix).items()}
    branches = {}
    for channels, (ending, first) in NAMES.items():
        shape = found.get(f"cencoder{ending}.{first}.0.weight")
        if shape is not None:
            branches[channels] = (shape[0], shape[-1])
    return prefixed_fill(case, CVAE(branches), prefix)


def prefixed_fill(case: Case, net: Any, prefix: str) -> Any:
    """Fill a network whose entries a case calls by a prefix and their names: the numbers hang on the full name."""
    if not prefix:
        return after_fill(case, case.fill(net))
    holder = torch.nn.Module()
    holder.add_module(prefix.rstrip("."), net)
    after_fill(case, load_filled(holder, shapes_of(case, prefix), int(case.meta.get("seed") or 0)))
    return net


@handles("rec_student_full_*", "rec_teacher_full_*")
def whole_network(case: Case) -> dict[str, Any]:
    """Maps, attention, weighting and logits of a clip, weighted and plain."""
    net, found = recogniser(case).eval(), {}
    with torch.inference_mode():
        maps = net.backbone.net.stages(clip(case))
        attention = net.attention(maps["Mixed_5c"])
        weighted = weigh(maps["Mixed_5c"], attention)
        for name, value in {"Mixed_4f": maps["Mixed_4f"], "Mixed_5c": maps["Mixed_5c"], "fg_5c": weighted}.items():
            found |= summaries(name, value)
        found |= {"logits_attended": net.classify(weighted), "logits_plain": net.classify(maps["Mixed_5c"])}
    return {**found, "attention": attention}


@handles("rec_cvae_*")
def conditional_vae(case: Case) -> dict[str, Any]:
    """Forward and inference with the case's noise, the loss, and its gradients."""
    net, given = cvae(case).eval(), tensors(case, gradients="x att")
    made = net(given["x"], given["att"], given["eps_forward"])
    loss = cvae_loss(given["x"], made, given["att"])
    loss.backward()
    with torch.inference_mode():
        sample = net.sample(given["att"], given["eps_inference"])
    wide = sample.double()
    parameters = dict(net.named_parameters())
    norms = torch.stack([parameters[name].grad.double().norm() for name in case.meta["state"]])
    case.allow("grad*", relative=GRADIENTS)
    kept = case.outputs["recon"].shape[1]
    return {
        "means": made.mean,
        "log_var": made.log_variance,
        "z": made.z,
        "recon": made.features[:, :kept],
        "loss": loss[None],
        "inference_head": sample[:, : case.outputs["inference_head"].shape[1]],
        "inference_stats": torch.stack([wide.mean(), wide.std(), wide.sum()]),
        "grad_norms": norms,
        "grad.att": given["att"].grad,
        "grad.x_head": given["x"].grad[:, : case.outputs["grad.x_head"].shape[1]],
        **{f"grad.{name}": value.grad for name, value in parameters.items()},
    }


@handles("rec_loss_cvae*")
def loss_of_cvae(case: Case) -> dict[str, Any]:
    """The loss of a CVAE on given tensors, and its gradients."""
    given = tensors(case, gradients="recon x mean log_var att")
    made = Reconstruction(given["mean"], given["log_var"], given["mean"], given["recon"])
    loss = cvae_loss(given["x"], made, given["att"])
    loss.backward()
    case.allow("grad*", relative=GRADIENTS)
    return {
        "loss": loss[None],
        "mse": squared(given["x"], given["recon"])[None],
        "kld": divergence(given["mean"], given["log_var"], given["att"])[None],
        **{f"grad.{name}": value.grad for name, value in given.items()},
    }


@handles("rec_stage2_losses*")
def terms_of_stage_2(case: Case) -> dict[str, Any]:
    """Every term of stage 2 on given tensors with its gradients, and the totals at several epochs."""
    given = tensors(case)

    def leaf(name: str) -> Tensor:
        return given[name].clone().requires_grad_()

    logits, feat, att, recon, real, distilled = leaf("logits"), leaf("feat"), leaf("att"), leaf("recon"), leaf("feat"), leaf("att")
    task = classification(logits, given["target"])
    weighted = weigh(feat, att)
    reconstruction, attention = squared(recon, real), squared(distilled, given["att_t"])
    for loss in (task, (weighted * given["probe"]).sum(), reconstruction, attention):
        loss.backward()
    case.allow("grad*", relative=GRADIENTS)
    totals = [objective(task, reconstruction, attention, epoch, case.config["beta"]) for epoch in case.config["epochs"]]
    return {
        "ce": task[None],
        "fg": weighted,
        "l_recon": reconstruction[None],
        "kd": attention[None],
        "total": torch.stack(totals),
        "grad.logits": logits.grad,
        "grad.fg_feat": feat.grad,
        "grad.fg_att": att.grad,
        "grad.recon": recon.grad,
        "grad.recon_feat": real.grad,
        "grad.kd_att": distilled.grad,
    }


@handles("rec_train_iteration*")
def two_steps(case: Case) -> dict[str, Any]:
    """Both passes of one batch, through the updates that the training loop drives."""
    config, given = case.config, tensors(case)
    network = recogniser(case, "net.", dropout=0.0).train()
    own, teacher_cvae = cvae(case, "cvae."), cvae(case, "cvae_teacher.").eval()
    teacher = recogniser(case, "teacher.").eval()
    noise = iter([given["eps0"], given["eps1"], given["eps2"]])
    distilled = Teacher(teacher_cvae, lambda clips: teacher.attention(teacher.features(clips)))
    steps = TwoSteps(network, own, distilled, beta=config["beta"], noise=lambda shape: next(noise).reshape(*shape))
    settings = Settings(
        config["lr"], config["momentum"], config["weight_decay"], config["cvae_lr"], tuple(config["cvae_betas"]), config["iter_size"]
    )
    batch, epoch = (clip(case), given["target"]), config["epoch"] - 1
    make, recognise = updates(steps, settings, lambda _: [0], lambda *_: batch)
    with torch.no_grad():
        attention = network.attention(stage_1_features(network, batch[0]))
    found: dict[str, Any] = {"attention_stage1": attention}
    for stage, update, net in (("stage1", make, own), ("stage2", recognise, network)):
        learner = Learner(update)
        learner.learn((epoch, 0), epoch, last=False)  # gradients are forgotten after the last
        means = {name.removeprefix("train_"): torch.tensor([value]) for name, value in learner.means().items()}
        found |= {f"{stage}.{theirs}": means[ours] for ours, theirs in TERMS[stage].items()}
        parameters = dict(net.named_parameters())
        norms = [parameters[name].grad.double().norm() for name in config["grad_names"][stage]]
        found[f"{stage}.grad_norms"] = torch.stack(norms)
        for name, value in parameters.items():
            copies = {f"{stage}.grad.{name}": value.grad, f"{stage}.after.{name}": value.detach()}
            found |= {key: given.clone() for key, given in copies.items() if case.compares(key)}
    found |= {f"after.{name}": value for name, value in network.state_dict().items()}
    case.allow("*grad*", relative=GRADIENTS)
    # a unit within rounding of zero is on or off: a processor without AVX-512 is 2.4e-2 of the largest off at one entry of a bias
    case.allow("stage1.grad.c*", relative=5e-2)
    # Adam's first step is the rate in the direction of the gradient, however small: where that is rounding, up to two rates apart
    case.allow("stage1.after.*", relative=1e-4, absolute=2.1 * config["cvae_lr"])
    case.allow("stage2.grad.*", relative=5e-3)  # 1.2e-3 of the largest in the attention's head
    case.allow("stage2.grad.backbone.*", relative=3e-2)  # and 1.0e-2 of the largest at the first normalisation
    return found


#: pass -> our term -> its name in a case
TERMS: Mapping[str, Mapping[str, str]] = {
    "stage1": {"cvae": "loss_cvae", "generative": "kd_recon_mse", "loss": "total"},
    "stage2": {"task": "ce", "reconstruction": "recon", "attention": "kd_attention_mse", "loss": "total"},
}


def stage_1_features(network: Recogniser, clips: Tensor) -> Tensor:
    """The last map in training mode, without touching running statistics."""
    with kept_statistics(network):
        return network.features(clips)


@handles("rec_two_stream_fusion*")
def two_streams(case: Case) -> dict[str, Any]:
    """Scores and accuracies of both streams together, and of each alone."""
    given = tensors(case)
    rgb, flow, labels = given["rgb_logits"], given["flow_logits"], given["target"]
    fused = scores(rgb, flow)
    top1, top5 = accuracies(fused, labels)
    found = {"fused": fused, "top1": np.array([top1]), "top5": np.array([top5])}
    return found | {f"{name}_only": np.array(accuracies(scores(x), labels)) for name, x in (("rgb", rgb), ("flow", flow))}
