"""Numbers of the few-frames system that need no network: input arithmetic, frame choice, losses, optimiser, metrics."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import torch

from models.training.clipping import each_tensor
from models.training.schedules import Moment, staircase
from systems.fewerframes import frames, losses
from systems.fewerframes.arithmetic import Normalisation, dequantise
from systems.fewerframes.average_precision import average_precision
from systems.fewerframes.metrics import Metrics
from systems.fewerframes.optimiser import TFAdam
from systems.fewerframes.output import Output
from tests.parity.case import Case, Mismatch, handles

EXACT = 1e-12
PERR_COLUMN = 1
SINGLE = 1e-7
"""The original takes the mean of Hit@1 in float32."""


def tensors(case: Case) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in case.inputs.items()}


@handles("dequantize*")
def codes(case: Case) -> dict[str, Any]:
    config, q = case.config, tensors(case)["q"]
    case.allow("*", absolute=1e-7)
    return {
        "x": dequantise(q, config["min_quantized_value"], config["max_quantized_value"]),
        "x_second_range": dequantise(q, config["second_range_min"], config["second_range_max"]),
    }


@handles("input_norm*")
def normalisation(case: Case) -> dict[str, Any]:
    given = tensors(case)
    present = torch.arange(given["q"].shape[1]) < given["num_frames"][:, None]
    case.allow("*", relative=1e-6)
    return {
        "reverse_whitened": Normalisation("whitening", given["eigenvals_1024"]).network_input(given["q"], present),
        "l2_normalized": Normalisation("l2").network_input(given["q"], present),
    }


@handles("kframe_indices*")
def kept(case: Case) -> dict[str, Any]:
    """Names are ``reimpl_k<k>``, ``reimpl_mask_k<k>``, ``authors_every<n>``, ``authors_num_frames_every<n>``."""
    size, counts = case.config["grid"], case.inputs["num_frames"]
    got: dict[str, Any] = {}
    for name in case.outputs:
        number = int(re.search(r"\d+$", name)[0])
        if name.startswith("reimpl_mask"):
            chosen = [frames.select("steps", number, int(count), grid="padded", size=size) for count in counts]
            got[name] = np.stack([one.present for one in chosen]).astype(np.uint8)
        elif name.startswith("reimpl"):
            got[name] = frames.steps(number, size)
        else:
            got[name] = frames.authors_length(counts, number, size) if "num_frames" in name else frames.every(number, size)
    return got


@handles("losses*")
def terms(case: Case) -> dict[str, Any]:
    """Every term, and the gradients under ``grad_pred.<term>`` and ``grad_rep.<term>``."""
    given = tensors(case)
    p, rep = given["p_student"].requires_grad_(), given["rep_student"].requires_grad_()
    teacher = losses.Target(given["rep_teacher"], given["p_teacher"])
    y = given["y"]
    student = Output(rep, p, None)
    clipped = Output(rep, given["p_student_clipped"].requires_grad_(), None)
    against = losses.Target(given["rep_teacher"], given["p_teacher_clipped"])
    total, parts = losses.PRESETS["reimpl"](student, y, teacher)
    authors_total, authors = losses.PRESETS["authors"](clipped, y, against)
    kl = losses.kl_classes(clipped.probabilities, against.probabilities)
    got = {
        "ce_reimpl": parts["ce"],
        "ce_starter": losses.cross_entropy(p, y, 1e-5),
        "ce_authors": losses.PRESETS["authors"].cross_entropy(student, y),
        "hinge_starter": losses.hinge(p, y),
        "softmax_starter": losses.softmax_loss(p, y),
        "rep_reimpl": parts["rep"],
        "pred_reimpl": parts["pred"],
        "total_reimpl": total,
        "rep_authors": authors["rep"],
        "kl_per_video_authors": kl,
        "pred_authors": authors["pred"],
        "ce_authors_clipped": authors["ce"],
        "total_authors_no_reg": authors_total,
    }
    for name in case.outputs:
        if name.startswith("grad_"):
            which, term = name.removeprefix("grad_").split(".")
            leaf = rep if which == "rep" else clipped.probabilities if term == "pred_authors" else p
            got[name] = torch.autograd.grad(got[term], leaf, retain_graph=True)[0]
    return got


@handles("optim*")
def optimisation(case: Case) -> dict[str, Any]:
    """Averaged gradients, clipped one by one, three TF-form Adam steps; the published staircase."""
    given = tensors(case)
    rate, clip = staircase(2e-4, samples=160, every=2e6, factor=0.8), each_tensor(1.0)
    got: dict[str, Any] = {"lr": np.array([rate(Moment(0, 0, int(step))) for step in case.inputs["steps"]], np.float32)}
    count = sum(name.startswith("v_init_") for name in given)
    for i in range(count):
        mean = (given[f"g_tower0_{i}"] + given[f"g_tower1_{i}"]) / 2
        value = torch.nn.Parameter(given[f"v_init_{i}"].clone())
        value.grad = mean.clone()
        clip([value])
        got |= {f"g_mean_{i}": mean, f"g_clipped_{i}": value.grad.clone()}
        optimizer = TFAdam([value], lr=2e-4)
        for step in range(1, 4):
            value.grad = mean.clone()
            clip([value])
            optimizer.step()
            got[f"v_after{step}_{i}"] = value.detach().clone()
    case.allow("*", relative=1e-6)
    return got


@handles("average_precision*")
def precision(case: Case) -> dict[str, Any]:
    scores, hits = case.inputs["predictions"], case.inputs["labels"] > 0
    calls = ((None, None), (10, None), (20, 30), (None, 30), (5, 0))
    values = [average_precision(scores, hits, positives, cut=cut, tie_break="reference") for cut, positives in calls]
    case.allow("f64_values", absolute=EXACT)
    return {"f64_values": np.array(values), "shuffle40": np.array(random.Random(0).sample(range(40), 40))}


@handles("metrics_*")
def metrics(case: Case) -> dict[str, Any]:
    """Batches through the accumulator under the reference's tie order. Where classes tie at the 20-answer boundary, which of them
    numpy keeps depends on its version: then the case's own sets are fed, as its text asks; elsewhere the sets are ours."""
    scores, labels, batch_losses = (case.inputs[name] for name in ("predictions", "labels", "f64_batch_losses"))
    size, top = case.config["batch_size"], min(case.config["top_k"], scores.shape[1])
    fed = case.outputs["topk_indices_sorted"] if boundary_ties(scores, top) else None
    whole = Metrics(scores.shape[1], case.config["top_k"], "reference")
    rows, gaps, sets = [], [], []
    for number, start in enumerate(range(0, len(scores), size)):
        here = slice(start, start + size)
        chosen = None if fed is None else fed[here]
        alone = Metrics(scores.shape[1], case.config["top_k"], "reference")
        for accumulator in (whole, alone):
            measured = accumulator.add(scores[here], labels[here], loss=float(batch_losses[number]), kept=chosen)
        rows.append([measured.hit_at_one, measured.perr, measured.loss, measured.perr_low, measured.perr_high])
        gaps.append(alone.gap())
        sets.append(np.sort(whole._batches[-1][1], axis=1))
    result = whole.result()
    bounds = [(one[3], one[4]) for one in rows]
    low, high = result.gap_bounds
    if not low - EXACT <= result.gap <= high + EXACT:
        raise Mismatch(f"GAP {result.gap} lies outside its own bounds {low} .. {high}")
    open_perr(case, [row[1] for row in case.outputs["f64_per_batch_hit_perr_loss"]], bounds)
    epoch = [result.hit_at_one, result.perr, result.loss, result.gap]
    per_batch = np.array([row[:3] for row in rows])
    tables = {
        "f64_per_batch_hit_perr_loss": per_batch,
        "f64_google_per_batch_hit_perr_loss": per_batch,
        "f64_epoch_hit_perr_loss_gap_map": np.array([*epoch, result.map_all]),
        "f64_google_epoch_hit_perr_loss_gap_map": np.array([*epoch, result.map_positive]),
    }
    for name, ours in tables.items():
        gap = np.delete(abs(ours - case.outputs[name]), PERR_COLUMN, axis=-1)
        if gap.max() > SINGLE:
            raise Mismatch(f"out.{name}: differs by {gap.max()} in a column other than PERR")
    return {
        **tables,
        "f64_aps": result.ap,
        "f64_google_aps": result.ap[labels.sum(0) > 0],
        "f64_batch_gap": np.array(gaps),
        "topk_indices_sorted": np.concatenate(sets),
        "f64_gap_tie_bounds": np.array(result.gap_bounds),
        "f64_perr_tie_bounds": np.array(result.perr_bounds),
    }


def boundary_ties(scores: np.ndarray, top: int) -> bool:
    """Whether some video's last class kept ties with the first one left out."""
    ordered = -np.sort(-scores, axis=1)
    return top < scores.shape[1] and bool((ordered[:, top - 1] == ordered[:, top]).any())


def open_perr(case: Case, theirs: list[float], bounds: list[tuple[float, float]]) -> None:
    """Metrics are exact, but for PERR where scores tie at the boundary of a video's answers: then theirs must lie within our bounds."""
    case.allow("f64_*", absolute=EXACT)
    case.allow("*hit_perr*", absolute=SINGLE)
    widest = 0.0
    for batch, (value, (low, high)) in enumerate(zip(theirs, bounds)):
        if not low - SINGLE <= value <= high + SINGLE:
            raise Mismatch(f"PERR of batch {batch} is {value}, outside our bounds {low} .. {high}")
        widest = max(widest, high - low)
    if widest > 0:
        case.allow("*hit_perr*", absolute=widest + SINGLE)
