"""Parity of what follows the detector: soft-NMS, decoding, and the metric."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from systems.gkd.detection.average_precision import interpolated, mean_average_precision, tiou
from systems.gkd.detection.decode import Decoding, candidates, class_candidates, segments
from systems.gkd.detection.inference import Network, fused_outputs
from systems.gkd.detection.results import read_results, read_truth
from systems.gkd.detection.soft_nms import nms, soft_nms
from tests.parity.case import Case, handles


@handles("det_soft_nms*")
def suppression(case: Case) -> dict[str, Any]:
    """Outputs: ``<rows>.sigma<sigma>`` and its ``.count``, ``<rows>.top<k>`` with AFSD's sigma, ``<rows>.hard_nms_keep``."""
    config, got = case.config, {}
    for name in case.outputs:
        rows, sigma, top_k = re.fullmatch(r"(\w+)\.(?:sigma([\d.]+?)(?:\.count)?|top(\d+)|hard_nms_keep)", name).groups()
        given = case.inputs[rows]
        if name.endswith("hard_nms_keep"):
            got[name] = nms(given[:, :2], given[:, 2], config["nms_overlap"])
            continue
        kept, scores = soft_nms(
            given[:, :2],
            given[:, 2],
            sigma=float(sigma or 0.5),
            threshold=config["score_threshold"],
            top_k=int(top_k or config["top_k"]),
        )
        got[name] = [len(kept)] if name.endswith(".count") else np.column_stack([given[kept, :2], scores])
    return got


@handles("det_tiou_ap*")
def overlap_and_area(case: Case) -> dict[str, Any]:
    found = tiou(case.inputs["a"], case.inputs["b"])
    return {"tiou": found, "jaccard": found, "ap": [interpolated(case.inputs["prec"], case.inputs["rec"])]}


@handles("det_map*")
def mean_average(case: Case) -> dict[str, Any]:
    """The files lie beside the case; ``<thresholds>.ap`` is in the order of ``class_index``."""
    truth = read_truth(case.directory / f"{case.name}.gt.json", case.config["subset"])
    found = read_results(case.directory / f"{case.name}.pred.json")
    order = case.config["class_index"]
    got: dict[str, Any] = {}
    for name, thresholds in case.config["thresholds"].items():
        if isinstance(thresholds, str):
            first, last, count = re.fullmatch(r"linspace\(([\d.]+),([\d.]+),(\d+)\)", thresholds).groups()
            thresholds = np.linspace(float(first), float(last), int(count)).tolist()
        scores = mean_average_precision(truth, found, thresholds)
        columns = [scores.classes.index(label) for label in sorted(order, key=order.get)]
        got |= {
            f"{name}.mAP": scores.mean,
            f"{name}.average": [scores.average],
            f"{name}.ap": scores.average_precision[:, columns],
            "counts": [scores.instances, scores.detections],
        }
    return got


@handles("det_pipeline*")
def pipeline(case: Case) -> dict[str, Any]:
    """The test program over the case's videos: windows, networks, fusion, decoding, soft-NMS. The last two are checked apart too."""
    config, modalities = case.config, sorted({name.partition(".")[0] for name in case.meta["state"]}, reverse=True)
    networks = {modality: network(case, modality) for modality in modalities}
    decoding = Decoding(config["nms_sigma"], config["conf_thresh"], top_k=config["top_k"], length=config["clip_length"])
    sizes = {"length": config["clip_length"], "stride": config["clip_stride"], "side": config["crop_size"]}
    got: dict[str, Any] = {}
    counts, keys, rows = [], [], []
    for place, (video, frames) in enumerate(config["videos"].items()):
        arrays = {modality: enlarged(case, f"{modality}.{video}")[:frames] for modality in modalities}
        said, begins = fused_outputs(networks, arrays, **sizes)
        names = [str(number) for number in range(1, said.conf.shape[-1])]
        found = segments(said, begins, config["sample_fps"], names, decoding)
        got[f"proposals.{video}"] = np.array([(int(one.label), one.start, one.end, one.score) for one in found.detections])
        everything = candidates(said, begins, config["sample_fps"], config["clip_length"])
        for number in range(1, len(names) + 1):
            times, scores = class_candidates(everything, number, config["conf_thresh"])
            if len(scores):
                counts.append(len(scores))
                keys.append((place, number))
                rows.append(np.column_stack([times, scores]))
    return got | {"candidate_counts": np.array(counts), "candidate_keys": np.array(keys), "candidates": np.concatenate(rows)}


def enlarged(case: Case, name: str) -> np.ndarray:
    """An array (n, H, W, C) of the case, each axis repeated as its description says."""
    axes, times = re.search(r"repeat axes ([\d,]+) by ([\d,]+)", case.meta["inputs"][name]).groups()
    array = case.inputs[name]
    for axis, count in zip(axes.split(","), times.split(",")):
        array = array.repeat(int(count), int(axis))
    return array
