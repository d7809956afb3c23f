"""Parity of the teachers: single modalities on frames, and the fusion of cached features of two to five modalities."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from systems.litemkd import aliases
from systems.litemkd.fusion import Fusion
from systems.litemkd.losses import summed
from systems.litemkd.metric import accuracies
from systems.litemkd.mfm import MFM, RELEASED
from systems.litemkd.single import Single
from tests.parity.case import Case, Mismatch, handles
from tests.parity.fill import fill
from tests.parity.litemkd import GRADIENTS, tensors
from tests.parity.litemkd_students import clips


def published_class(case: Case) -> str:
    """The class that made a case, from its source: ``... model.py:TRX.extract_feature`` is TRX."""
    found = re.search(r"\.py:(\w+)", case.meta["source"])
    if not found:
        raise Mismatch(f"no class in the source {case.meta['source']!r}")
    return found[1]


def single(case: Case, **extra: Any) -> Single:
    config, kind = case.config, aliases.ours(aliases.SINGLE, published_class(case), "network")
    net = Single(kind, config["backbone"], config.get("out_dim", 1152), config["cardinalities"], published=True)
    own = {name: shape for name, shape in (case.meta.get("unregistered_state") or {}).items() if kind == "strm"}
    if kind == "strm" and not own:  # a dump needs no head, and the case has none
        del net.new_dist_loss_post_pat
    return case.fill(net, {**case.meta["state"], **own}).eval()


@handles("extract_*")
def dumped(case: Case) -> dict[str, Any]:
    """The frame features of one clip, in the shape of the file: with a leading axis from TRM."""
    net = single(case)
    with torch.inference_mode():
        feature = net.features(clips(tensors(case)["frames_u8"]))
    return {"feature": feature if net.kind == "trm" else feature[0]}


@handles("teacher_trx_*", "teacher_strm_*", "teacher_trm_*")
def on_frames(case: Case) -> dict[str, Any]:
    given = tensors(case)
    with torch.inference_mode():
        got = single(case)(clips(given["support_u8"]), given["support_labels"], clips(given["query_u8"]))
    return {"logits": got["logits"][None], "logits_post_pat": got["pat"][None] if "pat" in got else None}


@handles("mfm_blocks*")
def blocks(case: Case) -> dict[str, Any]:
    config, given = case.config, tensors(case, gradients=True)
    sizes = {"dim": config["in_dim"], "layers": config["trans_num"]}
    net = case.fill(nn.ModuleDict({"fusion": Fusion(2, **sizes), "three_fusion": Fusion(3, **sizes)})).eval()
    pair = net["fusion"](given["rgb"], given["depth"])
    triple = net["three_fusion"](given["rgb"], given["depth"], given["flow"])
    ((pair + triple) * given["w"]).sum().backward()
    case.allow("grad_*", relative=GRADIENTS)
    return {"pair_rgb_depth": pair, "triple": triple, **{f"grad_{name}": given[name].grad for name in ("rgb", "depth", "flow")}}


def teacher(case: Case) -> MFM:
    """The teacher of a case with the shifts of the published code, unfilled."""
    config = case.config
    return MFM(
        aliases.ours(aliases.TEACHERS, published_class(case), "teacher"),
        config["in_dim"],
        config["out_dim"],
        config["cardinalities"],
        config["trans_num"],
        shift=config["shift"],
        feedforward=config.get("ffn_dim", 2048),
        shifts=RELEASED,
        otam_logits="softmax",
    )


@handles("mfm_teacher_*")
def fused(case: Case) -> dict[str, Any]:
    """Fused features, logits, loss, accuracy, norms of the gradients; and the same on dumped features."""
    net, given = case.fill(teacher(case)).eval(), tensors(case)
    support, query = ([given[f"{side}_{name}"] for name in case.config["modalities"]] for side in ("support", "query"))
    labels, wanted = given["support_labels"], given["query_labels"].long()
    fused_support, fused_query = net.fuse(support, "support"), net.fuse(query, "query")
    logits = net.match(fused_support, labels, fused_query)
    loss = summed(logits, wanted)
    leading = net.variant.head == "trx"
    got = {"fused_support": fused_support, "fused_query": fused_query, "logits": logits[None] if leading else logits, "task_loss": loss}
    got["accuracy"] = accuracies(logits.detach(), wanted).mean()
    if leading:
        loss.backward()
        gradients = {name: value.grad for name, value in net.named_parameters()}
        norms = [0.0 if gradients[name] is None else float(gradients[name].norm()) for name in case.meta["grad_norm_names"]]
        got["grad_norms"] = torch.tensor(norms)
    case.allow("grad_*", relative=GRADIENTS)
    with torch.no_grad():
        dumps = net.fuse(support, "dump"), net.fuse(query, "dump")
        again = net.match(dumps[0], labels, dumps[1])
    return {**got, "extract_feature_query": dumps[1], "logits_on_extracted": again[None]}


@handles("mfm_full_extract*")
def full_width(case: Case) -> dict[str, Any]:
    """The dump of one video at the published width. Half a billion parameters: filled one by one, in place."""
    net, given = in_place(case, teacher(case)).eval(), tensors(case)
    videos = [given[name] for name in ("rgb", "depth", "flow")]
    with torch.inference_mode():
        return {"fused": net.fuse(videos, "dump"), "triple_branch": net.three_fusion(*videos)}


def in_place(case: Case, net: MFM) -> MFM:
    """Fill every parameter where it lies, with no second copy of the state; names and shapes must agree as in ``Case.fill``."""
    ours: dict[str, Tensor] = {name: value for name, value in net.state_dict().items() if name not in case.meta["fixed_buffers"]}
    shapes = {name: tuple(shape) for name, shape in case.meta["state"].items()}
    if {name: tuple(value.shape) for name, value in ours.items()} != shapes:
        raise Mismatch(f"names or shapes of the state differ: {sorted(ours.keys() ^ shapes.keys())[:4]}")
    for name, value in ours.items():
        value.copy_(torch.from_numpy(fill(name, shapes[name], case.meta["seed"])))
    return net
