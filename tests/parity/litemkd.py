"""Parity of the few-shot system's heads: cross-transformers, distances, alignment, STRM; from a case's inputs and configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.litemkd.distance import mean_distance
from systems.litemkd.heads import Head
from systems.litemkd.otam import alignment, class_distances, frame_distances, otam
from systems.litemkd.strm import FrameMixer, PatchAttention
from systems.litemkd.support import support_distances
from systems.litemkd.trx import TRX
from tests.parity.case import Case, handles

GRADIENTS = 1e-3


def tensors(case: Case, *, gradients: bool = False) -> dict[str, Tensor]:
    """The inputs; those that a gradient is asked of collect it."""
    found = {name: torch.from_numpy(np.array(value)) for name, value in case.inputs.items()}
    for name, value in found.items():
        if gradients and f"grad_{name}" in case.outputs:
            value.requires_grad_()
    return found


def head(case: Case, name: str, **options: Any) -> Head:
    """A filled head of the case's widths, in eval mode, with the published grouping."""
    config = case.config
    net = Head(name, config["in_dim"], config["out_dim"], config.get("seq_len", 8), support_grouping="position", **options)
    return case.fill(net).eval()


@handles("trx_c*")
def cross_transformers(case: Case) -> dict[str, Any]:
    """Logits of each cardinality and their mean, the cross-entropy, and gradients of sum(logits * w)."""
    config, given = case.config, tensors(case, gradients=True)
    net = TRX(config["in_dim"], config["out_dim"], config["cardinalities"], config["seq_len"], config["dropout"])
    case.fill(net).eval()
    each = net.each(given["support"], given["support_labels"], given["query"], config["way"])
    logits = torch.stack(each).mean(0)
    (logits * given["w"]).sum().backward()
    case.allow("grad_*", relative=GRADIENTS)
    got = {"logits": logits[None], "ce_sum": F.cross_entropy(logits, given["query_labels"].long(), reduction="sum")}
    got |= {f"logits_card{c}": value for c, value in zip(config["cardinalities"], each)}
    for number, one in enumerate(net.transformers):
        for part in ("k_linear", "v_linear", "norm_k"):
            got |= {f"grad_{part}_{name}_{number}": value.grad for name, value in getattr(one, part).named_parameters()}
    return got | {f"grad_{name}": given[name].grad for name in ("support", "query")}


@handles("student_head_2fcsup*")
def two_branches(case: Case) -> dict[str, Any]:
    """The student's head on both branches, and the frozen teacher's, with the same weights, on the first."""
    given = tensors(case)
    labels, perm = given["support_labels"], given["perm"]
    student, teacher = head(case, "d2m"), head(case, "trx-support")
    support, query = ({"first": x, "second": x[..., perm]} for x in (given["support_1"], given["query_1"]))
    with torch.inference_mode():
        got = student(support, labels, query)
        frozen = teacher(support, labels, query)
    return got | {"fused_logits": student.answer(got)} | {f"teacher_{name}": value for name, value in frozen.items()}


@handles("support_distances*")
def support_level(case: Case) -> dict[str, Any]:
    """Both orders through the published grouping; sorted labels, so that there are as many groups as classes."""
    given, got = tensors(case), {}
    labels = torch.arange(case.config["way"]).repeat_interleave(case.config["shot"])
    for order, clips in (("sorted", given["support_sorted"]), ("shuffled", given["support_sorted"][given["perm"]])):
        clips = clips.clone().requires_grad_()
        distances = support_distances(clips, labels, "position")
        (distances * given["w"]).sum().backward()
        got |= {f"sup_{order}": distances, f"grad_{order}": clips.grad}
    return got


@handles("edist_heads*")
def mean_frames(case: Case) -> dict[str, Any]:
    given = tensors(case, gradients=True)
    labels, perm = given["support_labels"], given["perm"]
    logits = mean_distance(given["support"], labels, given["query"])
    (logits * given["w"]).sum().backward()
    clips = {part: {"first": given[part].detach(), "second": 1.5 * given[part].detach()[..., perm]} for part in ("support", "query")}
    two = Head("distance-d2m", support_grouping="position")(clips["support"], labels, clips["query"])
    got = {"e_dist": logits, "cos_distance": logits, "grad_support": given["support"].grad, "grad_query": given["query"].grad}
    return got | {f"fc2sup_{name}": value for name, value in two.items()}


@handles("otam_head*")
def aligned(case: Case) -> dict[str, Any]:
    config, given = case.config, tensors(case, gradients=True)
    support, labels, query = given["support"], given["support_labels"], given["query"]
    apart = frame_distances(query, support, config["cos_eps"])
    constants = {"smoothing": config["lbda"], "epsilon": config["cos_eps"]}
    distances = class_distances(support, labels, query, **constants)
    logits = otam(support, labels, query, logits="softmax", **constants)
    (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
    return {
        "frame_dists": apart,
        "cum_query_to_support": alignment(apart, config["lbda"]),
        "cum_support_to_query": alignment(apart.transpose(-1, -2), config["lbda"]),
        "class_dists": distances,
        "logits_softmax": logits,
        "grad_support": support.grad,
        "grad_query": query.grad,
    }


@handles("ctx_head*")
def single_frames(case: Case) -> dict[str, Any]:
    given = tensors(case)
    with torch.inference_mode():
        got = head(case, "ctx")({"first": given["support"]}, given["support_labels"], {"first": given["query"]})
    return {"logits": got["logits"][None]}


@handles("trx_sup_head*")
def prototypes(case: Case) -> dict[str, Any]:
    given = tensors(case)
    with torch.inference_mode():
        return head(case, "trx-prototypes")({"first": given["support"]}, given["support_labels"], {"first": given["query"]})


@handles("strm_head_sup*")
def patches_and_branches(case: Case) -> dict[str, Any]:
    given, net = tensors(case), head(case, "strm-d2m")
    support, query = (
        {"patches": x, "first": x[..., given["perm1"]], "second": x[..., given["perm2"]]} for x in (given["support"], given["query"])
    )
    with torch.inference_mode():
        got = net(support, given["support_labels"], query)
    return got | {"fused": net.answer(got)}


@handles("strm_enrich*")
def enriched(case: Case) -> dict[str, Any]:
    config, given = case.config, tensors(case)
    net = nn.ModuleDict(
        {
            "attn_pat": PatchAttention(config["attn_dim"], config["patches"]),
            "fr_enrich": FrameMixer(config["mix_dim"], config["frames"]),
        }
    )
    case.fill(net).eval()
    with torch.inference_mode():
        return {"attn_out": net["attn_pat"](given["patches"]), "mix_out": net["fr_enrich"](given["frames"])}
