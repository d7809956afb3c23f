"""Parity of the detection losses, of its CVAE, and of one whole training iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from systems.gkd.cvae import CVAE
from systems.gkd.detection import overlap
from systems.gkd.detection.iteration import Sample, Weights, detector_loss, generator_loss
from systems.gkd.detection.losses import boundary_bce, boundary_losses, focal, multisegment, quarter
from systems.gkd.detection.matching import gaps
from systems.gkd.detection.networks import Detector, Maps, background_of
from systems.gkd.detection.pyramid import Detections
from systems.gkd.generative_losses import cvae_loss
from tests.parity.case import Case, handles
from tests.parity.gkd_detection import GRADIENTS, norms, repeated, shape_of, tensors
from tests.parity.i3d import after_fill, recipe

#: Gradients of the backbone and of the attention pass through maps of 1e-5 and the division by the attention's sum (quirk D4), and many
#: large ones cancel, so float32 alone moves them. Of the first convolution, relative to its largest entry and to the same iteration in
#: float64: the case's own 2.6e-3, ours 4.1e-3, ours without oneDNN 3.7e-3; of ``deconv1.0.bias`` 1.7e-3, 1.2e-3, 2.0e-3. Two such errors
#: add up; a processor without AVX-512 comes to 5.9e-3 with oneDNN, 3.8e-3 without. All gradients of the head agree to 1e-6.
ROUNDING = {"backbone": 1e-2, "deconv1": 1e-2, "deconv2": 1e-2}
PREDICTED = ("loc", "conf", "prop_loc", "prop_conf", "center")
#: what the terms of pass 1 and pass 2 are called in the cases
TERMS = {
    "stage1.loss_cvae_4f_5c": ("cvae_4f", "cvae_5c"),
    "stage1.kd_recon_4f_5c": ("generative_4f", "generative_5c"),
    "stage2.fg_losses": (*PREDICTED, "start", "end"),
    "stage2.triplet": ("triplet",),
    "stage2.recon_4f_5c": ("reconstruction_4f", "reconstruction_5c"),
    "stage2.kd_ssl_4f_5c": ("contrastive_attention_4f", "contrastive_attention_5c"),
    "stage2.kd_4f_5c": ("attention_4f", "attention_5c"),
}


@handles("det_multisegment_loss*")
def segments(case: Case) -> dict[str, Any]:
    """All five terms and the gradients of their weighted sum, for actions and for background; and the overlaps."""
    given, config = tensors(case), case.config
    weights = (config["lw"], config["cw"], config["lw"], config["cw"], config["cw"])
    batch, got = len(given["loc"]), dict[str, Any]()
    actions = [given[f"target{i}"] for i in range(batch)]
    for tag, targets in (("fg", actions), ("bg", [given["target_bg"]] * batch)):
        leaves = {name: given[name].clone().requires_grad_() for name in PREDICTED}
        predicted = Detections(*leaves.values(), given["priors"], *(torch.zeros(0),) * 6)
        losses = multisegment(predicted, targets, config["clip_length"], config["piou"])
        total = sum(weight * loss for weight, loss in zip(weights, losses, strict=True))
        assert isinstance(total, Tensor)
        total.backward()
        got |= {f"{tag}.losses": torch.stack(losses), f"{tag}.total": total[None]}
        got |= {f"{tag}.grad.{name}": torch.zeros_like(x) if x.grad is None else x.grad for name, x in leaves.items()}
    a, b = given["iou_a"], given["iou_b"]
    got["focal_sum"] = focal(given["conf"][0], given["focal_target"])[None]
    got |= {
        "iou": overlap.iou(a, b),
        "giou_loss": overlap.giou_loss(a, b),
        "linear_iou_loss": 1 - overlap.iou(a, b),
        "ioa": overlap.ioa(a, b),
    }
    return got


@handles("det_boundary_bce*")
def boundaries(case: Case) -> dict[str, Any]:
    """One level's loss, against every fourth entry of the maps, and the background targets."""
    given = tensors(case)
    maps = quarter(given["scores"])
    start, end = given["start"].requires_grad_(), given["end"].requires_grad_()
    losses = [boundary_bce(x, maps[:, i]) for i, x in enumerate((start, end))]
    sum(losses).backward()
    return {
        "scores_quarter": maps,
        "loss_start": losses[0][None],
        "loss_end": losses[1][None],
        "grad_start": start.grad,
        "grad_end": end.grad,
        "background": gaps(given["annos"]),
    }


@handles("det_cvae*")
def cvae(case: Case) -> dict[str, Any]:
    """Both branches: forward, loss with gradients, inference."""
    net = case.fill(cvae_of(case))
    got: dict[str, Any] = {}
    given = tensors(case)
    for branch, ending in (("1024", ""), ("832", "_832")):
        x, att = given[f"{branch}.x"], given[f"{branch}.att"].requires_grad_()
        made = net(x, att, given[f"{branch}.eps_forward"])
        loss = cvae_loss(x, made, att)
        loss.backward()
        parts = {f"cencoder{ending}", f"cdecoder{ending}"}
        given_to = {name: p.grad for name, p in net.named_parameters() if name.split(".")[0] in parts and p.grad is not None}
        got |= {
            f"{branch}.means": made.mean,
            f"{branch}.log_var": made.log_variance,
            f"{branch}.recon": made.features,
            f"{branch}.inference_head": net.sample(att, given[f"{branch}.eps_inference"])[:, :64],
            f"{branch}.loss": loss[None],
            f"{branch}.grad.att": att.grad,
            f"{branch}.grad_norms": norms(given_to, given_to),
        }
    case.allow("*.grad*", relative=GRADIENTS)
    return got


def cvae_of(case: Case, prefix: str = "") -> CVAE:
    """A CVAE of the channels and sizes in the case's state."""
    coarse = case.meta["state"][f"{prefix}cencoder.con1.0.weight"]
    fine = case.meta["state"][f"{prefix}cencoder_832.con2.0.weight"]
    return CVAE({1024: (coarse[0], coarse[3]), 832: (fine[0], fine[3])})


class Networks(nn.Module):
    """The four networks under the prefixes of a case's state."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        gradient = "published" if released(case) else "true"
        networks = {name: shape_of(case, f"{name}.") for name in ("student", "teacher")}
        self.student, self.teacher = (
            # the teacher gets no gradients, so it may compute in the fast way
            Detector(k, s, attention=a, pooling_gradient=gradient, fast=name == "teacher")
            for name, (k, s, a) in networks.items()
        )
        self.cvae, self.cvae_teacher = cvae_of(case, "cvae."), cvae_of(case, "cvae_teacher.")


def released(case: Case) -> bool:
    """Whether quirks D2 and D3 are in the case."""
    return "published epoch function" in case.meta["what"]


@handles("det_train_iteration_*")
def iteration(case: Case) -> dict[str, Any]:
    """Pass 1 and pass 2 with a step of Adam each."""
    config, given = case.config, tensors(case)
    nets = after_fill(case, case.fill(Networks(case))).train()
    assert isinstance(nets, Networks)
    clip, other = (repeated(case.inputs[name], recipe(case, "a")) for name in ("a", "b"))
    weights = Weights(config["lw"], config["cw"], config["ssl"], config["beta"], config["bg_weight"], config["piou"])
    sample = Sample(clip, [given["target"]], given["scores"], other, given["ssl_target"][None])
    stored = iter([given[f"eps{i}"] for i in range(sum(name.startswith("eps") for name in given))])

    def noise(shape: Sequence[int]) -> Tensor:
        value = next(stored)
        assert tuple(value.shape) == tuple(shape)
        return value

    optimiser = torch.optim.Adam(nets.cvae.parameters(), lr=config["cvae_lr"], betas=config["cvae_betas"])
    first = generator_loss(nets.student, nets.cvae, nets.cvae_teacher, clip, noise)
    got = stepped(case, first.loss, nets.cvae, optimiser, "stage1")
    terms = dict(first.terms)
    optimiser = torch.optim.Adam(nets.student.parameters(), lr=config["lr"], weight_decay=config["weight_decay"], betas=config["betas"])
    seen: list[Maps] = []  # of the clip, then of the other
    features = nets.student.features
    with mock.patch.object(nets.student, "features", lambda clips: seen.append(features(clips)) or seen[-1]):
        second = detector_loss(
            nets.student,
            nets.cvae,
            nets.teacher,
            sample,
            config["epoch"],
            weights,
            noise=noise,
            reconstructed="overwritten" if released(case) else "raw",
        )
    with torch.no_grad():
        got["stage2.bg_losses"] = background_terms(nets.student, seen[0], sample, config["piou"])
    got |= stepped(case, second.loss, nets.student, optimiser, "stage2")
    terms |= second.terms
    got |= {name: torch.stack([terms[part] for part in parts]) for name, parts in TERMS.items()}
    assert torch.equal(terms["background"], got["stage2.bg_losses"][1]) or bool(
        (terms["background"] / got["stage2.bg_losses"][1] - 1).abs() < 1e-5
    )  # the shorter way to the one background term that counts
    case.allow("*.grad*", relative=GRADIENTS)
    for below, relative in ROUNDING.items():
        case.allow(f"stage2.grad.{below}.*", relative=relative)
    return got


def background_terms(student: Detector, maps: Maps, sample: Sample, piou: float) -> Tensor:
    """All seven terms of the background pass, of which training only makes the second."""
    found = student.detect(background_of(maps, student.attention(maps)))
    of = multisegment(found, [gaps(target) for target in sample.targets], sample.boundaries.shape[-1], piou)
    return torch.stack([*of, *boundary_losses(found, sample.boundaries)])


def stepped(case: Case, loss: Tensor, net: nn.Module, optimiser: torch.optim.Optimizer, stage: str) -> dict[str, Any]:
    """Total, gradients and their norms, and the parameters after a step, of those that are compared."""
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    got: dict[str, Any] = {f"{stage}.total": loss[None], f"{stage}.grad_norms": norms(gradients, case.config["grad_names"][stage])}
    got |= {key: value.clone() for name, value in gradients.items() if case.compares(key := f"{stage}.grad.{name}")}
    optimiser.step()
    return got | {key: p.detach().clone() for name, p in net.named_parameters() if case.compares(key := f"{stage}.after.{name}")}
