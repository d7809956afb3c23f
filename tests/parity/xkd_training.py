"""Parity of XKD's training: teacher views, two whole steps of every variant, schedules, names of the states."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import torch
from torch import nn

from models.training.schedules import Moment, cosine
from models.training.updates import Learner, Update
from systems.xkd import optimise
from systems.xkd.blocks import Width
from systems.xkd.encoder import Encoder, pooled
from systems.xkd.head import Head, HeadWidth
from systems.xkd.mae import DECODER
from systems.xkd.model import VARIANTS, XKD, Objective, Sizes, Temperatures
from systems.xkd.patches import Audio, Video
from systems.xkd.refine import cross_attention, refined
from systems.xkd.schedules import ramp
from tests.parity.case import Case, Mismatch, handles
from tests.parity.xkd import audio, filled, head_width, tensors, video, width

#: the published code in double precision
DOUBLE = 1e-6


def sizes(config: dict[str, Any]) -> Sizes:
    return Sizes(video(config), audio(config), width(config["encoder"]), width(config["decoder"]), head_width(config["projector"]))


def network(case: Case, variant: str) -> XKD:
    """A filled network in double precision, with the objective of a case and the published behaviour of every switch."""
    forward = case.config.get("forward") or {}
    objective = Objective(
        align=forward.get("align_coeff", 1),
        distil=forward.get("cmkd_coeff", 1),
        reconstruct=forward.get("recon_coeff", 5),
        video_ratio=forward.get("vid_mask_ratio", 0.85),
        audio_ratio=forward.get("aud_mask_ratio", 0.8),
        refine=forward.get("cm_attn_mode", "mean"),
        teacher_view="index1",
        student_tau="audio",
        mmd="own",
    )
    net = XKD(variant, sizes(case.config), objective, case.config["center_momentum"][0])
    return filled(case, net).double()


def views(given: dict[str, torch.Tensor], prefix: str) -> list[torch.Tensor]:
    return [given[f"{prefix}{number}"].double() for number in range(sum(name.startswith(prefix) for name in given))]


@handles("train_step_views*")
def teacher_branch(case: Case) -> dict[str, Any]:
    net, given = network(case, "xkd"), tensors(case)
    frames, spectrograms = views(given, "frames"), views(given, "specs")
    with torch.no_grad():
        v, v_seen = net.vid_teacher.backbone.attended(frames[1])
        a, a_seen = net.aud_teacher.backbone.attended(spectrograms[1])
        v_seen, a_seen = v_seen[:, :, 0, 1:], a_seen[:, :, 0, 1:]
        crossed = cross_attention(v_seen, a_seen), cross_attention(a_seen, v_seen)
        outputs = net.teacher_outputs(frames, spectrograms)
        student = net.vid_student.head(pooled(net.vid_student.backbone(frames[1])))
    case.allow("*", relative=DOUBLE)
    return {
        "vattn_cls": v_seen,
        "aattn_cls": a_seen,
        "cvattn": crossed[0],
        "caattn": crossed[1],
        "v_refined": refined(v[:, 1:], crossed[0]),
        "a_refined": refined(a[:, 1:], crossed[1]),
        "v_teacher_out": outputs[0],
        "a_teacher_out": outputs[1],
        "v_student_local_out": student,
    }


@handles("train_step_xkd*")
def two_steps(case: Case) -> dict[str, Any]:
    """Losses, norms of the gradients before and after clipping, parameters, centres: through the loop's own update."""
    config, given = case.config, tensors(case)
    net = network(case, re.search(r"models/(\w+)\.py", case.meta["source"])[1])
    parameters = dict(net.named_parameters())
    check_groups(case, net)
    forward = config["forward"]
    taus = Temperatures(
        *(forward[f"{side}_temp"][modality] for side in ("teacher", "student") for modality in ("video", "audio")),
    )
    got: dict[str, Any] = {}
    clip_students, step = optimise.clip_students(net, config["clip_grad"]), 0

    def norms() -> torch.Tensor:
        gradients = [parameters[name].grad for name in case.meta["param_names"]]
        return torch.stack([torch.tensor(-1.0).double() if g is None else g.norm() for g in gradients])

    def clip(several: Any) -> None:
        got[f"grad_norm_raw{step}"] = norms()
        clip_students(several)
        got[f"grad_norm_clipped{step}"] = norms()

    def loss(_: Any) -> Any:
        found = net(views(given, "frames"), views(given, "specs"), (given[f"noise_v{step}"], given[f"noise_a{step}"]), taus)
        got[f"losses{step}"] = torch.stack([found[name] for name in case.meta["loss_keys"]])
        return found["loss"], {}, config["batch"]

    def listed(name: str) -> Any:
        return lambda moment: float(given[name][moment.step])

    learner = Learner(
        Update(
            "pretrain",
            batches=lambda epoch: range(2),
            loss=loss,
            groups=optimise.groups(net, listed("lr"), listed("wd")),
            optimizer=optimise.adamw,
            clip=clip,
            after=optimise.teachers_follow(net, listed("vm"), listed("am")),
        )
    )
    for step in range(len(given["lr"])):
        learner.learn(step, 0, last=False)
        values = [parameters[name].detach() for name in case.meta["param_names"]]
        got |= {f"param_sum{step}": torch.stack([value.sum() for value in values])}
        got |= {f"param_l2{step}": torch.stack([value.norm() for value in values])}
        got |= {f"center_v{step}": net.vt2as_ce_loss.center.clone(), f"center_a{step}": net.at2vs_ce_loss.center.clone()}
    state = net.state_dict()
    case.allow("*", relative=DOUBLE)
    return got | {name: state[name.removeprefix("final.")] for name in case.outputs if name.startswith("final.")}


def check_groups(case: Case, net: nn.Module) -> None:
    """The parameters, and the optimizer's groups, in the published order: its states are kept by number."""
    ours = {"param_names": [name for name, _ in net.named_parameters()]}
    ours["no_decay"], ours["decay"] = optimise.split(net)
    for what, names in ours.items():
        if names != case.meta[what]:
            raise Mismatch(f"{what}: {[pair for pair in zip(names, case.meta[what]) if pair[0] != pair[1]][:2]}")


@handles("ckpt_layout*")
def layout(case: Case) -> dict[str, Any]:
    """Names, shapes, what is shared, counts of the published networks, and the backbone files; nothing is computed."""
    for variant in VARIANTS:
        wanted = case.meta[variant]
        with torch.device("meta"):
            net = XKD(variant)
        check_shapes(variant, net, {**wanted["canonical"], **{a: wanted["canonical"][c] for a, c in wanted["aliases"].items()}})
        own = net.state_dict(keep_vars=True)
        apart = [alias for alias, canonical in wanted["aliases"].items() if own[alias] is not own[canonical]]
        if apart:
            raise Mismatch(f"{variant}: not shared: {apart[:3]}")
        still, decaying = optimise.split(net)
        total = sum(p.numel() for p in (*net.parameters(), *net.buffers())) / 1e6  # with the centres
        trained = sum(p.numel() for p in net.parameters() if p.requires_grad) / 1e6
        counted = [total, trained, len(still), len(decaying)]
        for name, value in zip(("params_total_M", "trainable_M", "n_no_decay", "n_decay"), counted):
            if not math.isclose(value, wanted[name], rel_tol=1e-9):
                raise Mismatch(f"{variant}.{name}: {value}, the case's {wanted[name]}")
    with torch.device("meta"):
        nets = {"vid": Encoder(Video()), "aud": Encoder(Audio())}
        head = Head(Width().dim, HeadWidth())
    for prefix, net in nets.items():
        check_shapes(prefix, net, case.meta[f"{prefix}_backbone_file"])
    with torch.device("meta"):
        whole = XKD("xkd", Sizes(decoder=DECODER))
    counts = {
        name: sum(p.numel() for p in net.parameters()) / 1e6
        for name, net in (("video_encoder", nets["vid"]), ("audio_encoder", nets["aud"]))
    }
    for name, part, encoder in (("video", whole.vid_ae, "video_encoder"), ("audio", whole.aud_ae, "audio_encoder")):
        counts[f"{name}_decoder_side"] = sum(p.numel() for p in part.parameters()) / 1e6 - counts[encoder]
    counts["head"] = sum(p.numel() for p in head.parameters()) / 1e6
    for name, value in case.meta["counts_M"].items():
        if not math.isclose(counts[name], value, rel_tol=1e-9):
            raise Mismatch(f"counts_M.{name}: {counts[name]}, the case's {value}")
    return {}


def check_shapes(what: str, net: nn.Module, wanted: dict[str, Any]) -> None:
    ours = {name: list(value.shape) for name, value in net.state_dict().items()}
    for name in sorted(ours.keys() | wanted.keys()):
        if ours.get(name) != wanted.get(name):
            raise Mismatch(f"{what}: {name}: ours {ours.get(name)}, the case's {wanted.get(name)}")


@handles("schedules*")
def pretraining_schedules(case: Case) -> dict[str, Any]:
    got: dict[str, Any] = {}
    inputs = case.inputs
    for name in (name for name in inputs if name.startswith("params")):
        number = name.removeprefix("params")
        base, final, warmup, start, epochs, iterations = inputs[name].tolist()
        steps = round(epochs * iterations)
        schedule = cosine(base, final, steps, warmup=round(warmup * iterations), start=start)
        got |= {f"idx{number}": case.outputs[f"idx{number}"], f"len{number}": steps}
        got[f"val{number}"] = np.array([schedule(Moment(0, int(i), int(i))) for i in case.outputs[f"idx{number}"]])
    for name, modality in (("temp_params", "video"), ("temp_params_a", "audio")):
        start, end, warm, _ = inputs[name].tolist()
        tau = ramp(start, end, round(warm))
        wanted = f"teacher_temp_mas_{modality}"
        got[wanted] = np.array([tau(Moment(epoch, 0, 0)) for epoch in range(len(case.outputs[wanted]))])
    case.allow("val*", relative=DOUBLE)
    case.allow("teacher_temp*", relative=DOUBLE)
    return got
