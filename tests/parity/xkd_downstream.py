"""Parity of XKD's downstream side: encoders from published files, heads, layer decay, schedules, metrics, SVM, CutMix, joint features."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import torch

from models.training.schedules import Moment, Schedule, constant, cosine
from systems.xkd import metrics, mixing, published, svm
from systems.xkd.classifier import Classifier, Finetuned
from systems.xkd.encoder import Encoder, pooled
from systems.xkd.layer_decay import scaled
from systems.xkd.patches import Audio, Video
from systems.xkd.schedules import milestones, warmed
from tests.parity.case import Case, Mismatch, handles, load_filled
from tests.parity.fill import fill_state
from tests.parity.xkd import audio, tensors, video
from tests.parity.xkd_training import DOUBLE


@handles("eval_backbones*")
def loaded(case: Case) -> dict[str, Any]:
    """Encoders of backbone files, whose names are the published ones, and the same through the names of evaluation."""
    given, config = tensors(case), case.config
    heads = config[config["video"]["vit_config"]][2]
    nets = {}
    for name, geometry in (("video", video(config["video"])), ("audio", audio(config["audio"]))):
        state = {key: torch.from_numpy(value) for key, value in fill_state(case.meta[f"state_{name}"], case.meta["seed"]).items()}
        renamed = {published.evaluation_name(key): value for key, value in state.items()}
        if set(published.training_names(renamed)) != set(state):
            raise Mismatch(f"state_{name}: names of evaluation do not lead back")
        nets[name] = published.encoder(renamed, case.name, geometry, heads)
    with torch.inference_mode():
        tokens = nets["video"](given["clip"])
        return {
            "video_pool": pooled(tokens),
            "video_cls": tokens[:, 0],
            "video_pool48": pooled(nets["video"](given["clip48"])),
            "audio_pool": pooled(nets["audio"](given["spec"])),
        }


@handles("classifier_head*")
def heads(case: Case) -> dict[str, Any]:
    config, got = case.config, {}
    for number, variant in case.meta["variants"].items():
        options = variant["kwargs"]
        net = Classifier(
            config["feat_dim"],
            config["num_classes"],
            l2_norm=options.get("l2_norm", False),
            batch_norm=options.get("use_bn", False),
            dropout=options.get("dropout", 0.0) if options.get("use_dropout") else 0.0,
        ).eval()
        load_filled(net, variant["state"], case.meta["seed"])
        got[f"y{number}"] = net(tensors(case)["x"])
    return got


@handles("layer_decay*")
def scales(case: Case) -> dict[str, Any]:
    """Which parameter is in which group, under the names of evaluation."""
    for name, groups in case.meta["groups"].items():
        modality, decay = name.split("_")
        with torch.device("meta"):
            net = Finetuned(Encoder(Video() if modality == "video" else Audio()), Classifier(768, 10, start="normal"))
        decays = max(group["weight_decay"] for group in groups)
        ours = {
            renamed(one): (group.scale, group.weight_decay)
            for group in scaled(net.named_parameters(), 12, float(decay), decays)
            for one in group.names
        }
        theirs = {one: (group["lr_scale"], group["weight_decay"]) for group in groups for one in group["params"]}
        if len(scaled(net.named_parameters(), 12, float(decay), decays)) != len(groups):
            raise Mismatch(f"{name}: another number of groups than {len(groups)}")
        for one in sorted(ours.keys() | theirs.keys()):
            own, wanted = ours.get(one), theirs.get(one)
            if own is None or wanted is None or own[1] != wanted[1] or not math.isclose(own[0], wanted[0], rel_tol=1e-9):
                raise Mismatch(f"{name}: {one}: ours {own}, the case's {wanted}")
    return {}


def renamed(name: str) -> str:
    return published.evaluation_name(name.removeprefix("backbone."))


def values(schedule: Schedule, steps: float) -> np.ndarray:
    return np.array([schedule(Moment(0, step, step)) for step in range(round(steps))])


@handles("eval_schedules*")
def rates(case: Case) -> dict[str, Any]:
    inputs, got = case.inputs, {}
    for name in (name for name in inputs if name.startswith("cos_params")):
        warmup, start, epochs, base, final, n = inputs[name].tolist()
        schedule = cosine(base, final, round(epochs * n), warmup=round(warmup * n), start=start)
        got[name.replace("_params", "")] = values(schedule, epochs * n)
    warmup, start, epochs, base, n = inputs["fixed_params"].tolist()
    got["fixed"] = values(warmed(constant(base), base, round(warmup * n), start), epochs * n)
    warmup, start, epochs, base, first, second, factor, n = inputs["multistep_params"].tolist()
    steps = milestones(base, [round(first * n), round(second * n)], factor)
    got["multistep"] = values(warmed(steps, base, round(warmup * n), start), epochs * n)
    case.allow("*", relative=DOUBLE)
    return got


@handles("metrics*")
def accuracies(case: Case) -> dict[str, Any]:
    given = case.inputs
    logits, labels = given["logits"], given["labels"]
    clips, clip_labels = metrics.over_clips(given["clip_logits"]), given["clip_labels"]
    found = metrics.multi_label(given["ml_pred"], given["ml_target"])
    tops = {k: np.float32(metrics.top(logits, labels, k)) for k in (1, 5)}
    return {
        "acc1": tops[1][None],
        "acc5": tops[5][None],
        "np_top1": tops[1],
        "np_top5": tops[5],
        "mean_ap": found.mean_ap,
        "mean_auc": found.mean_auc,
        "mean_wap": found.weighted_ap,
        "all_aps": found.ap,
        "clip_conf": clips,
        "clip_acc1": np.array([metrics.top(clips, clip_labels, 1)]),
        "clip_acc5": np.array([metrics.top(clips, clip_labels, 5)]),
    }


@handles("svm_protocol*")
def linear(case: Case) -> dict[str, Any]:
    config, given, got = case.config, case.inputs, {}
    train, test = (given["x_train"], given["y_train"]), (given["x_test"], given["y_test"])
    for number, standardise in enumerate((False, True)):
        results = list(svm.sweep(train, test, config["C"], standardise=standardise, seed=config["random_state"]))
        got[f"top1_top5_scale{number}"] = np.array([(result.top1, result.top5) for result in results])
        if not standardise:
            got |= {f"decision_mean_C{result.cost:g}": result.decisions for result in results}
    case.allow("top1_top5*", absolute=100.001 / len(given["y_test"]))  # one sample: the solver's own tolerance
    case.allow("decision*", relative=1e-2)
    return got


@handles("cutmix5d*")
def mixes(case: Case) -> dict[str, Any]:
    """The share of mixup, the box and the smoothing are in the case's text; the box decides the share of CutMix."""
    given, text = tensors(case), case.meta["what"]
    x, labels, logits = given["x"], given["labels"], given["logits"].requires_grad_()
    number = r"(\d*\.?\d+)"
    blend = float(re.search(rf"lam {number}", text)[1])
    top, bottom, left, right = map(int, re.search(r"box y (\d+):(\d+), x (\d+):(\d+)", text).groups())
    smoothing = float(re.search(rf"smoothing {number}", text)[1])
    soft, classes = {}, logits.shape[1]
    for name, mix in (("mixup", mixing.Mix(blend)), ("cutmix", mixing.cut_out((top, bottom, left, right), tuple(x.shape[-2:])))):
        soft[f"{name}_x"] = mixing.mixed(x, mix, "code")
        soft[f"{name}_target"] = mixing.targets(labels, classes, mix.share, smoothing)
    loss = mixing.soft_cross_entropy(logits, soft["mixup_target"])
    loss.backward()
    return soft | {"soft_ce": loss, "soft_ce_grad": logits.grad}


@handles("av_features*")
def joined(case: Case) -> dict[str, Any]:
    given = case.inputs
    seen, heard, both = svm.audiovisual(given["video_backbone_out"], given["audio_backbone_out"])
    return {"video_feat": seen, "audio_feat": heard, "svm_input": both}
