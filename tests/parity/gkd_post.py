"""Parity of what follows the detector: soft-NMS, decoding, and the metric."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from systems.gkd.detection.average_precision import interpolated, mean_average_precision, tiou
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
