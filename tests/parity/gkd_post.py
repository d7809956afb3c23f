"""Parity of what follows the detector: soft-NMS, decoding, and the metric."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from systems.gkd.detection.average_precision import interpolated, mean_average_precision, tiou
from systems.gkd.detection.decode import Decoding, candidates, class_candidates, segments
from systems.gkd.detection.inference import Network, fused_outputs
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.results import read_results, read_truth
from systems.gkd.detection.soft_nms import nms, soft_nms
from tests.parity.case import Case, Mismatch, handles
from tests.parity.gkd_detection import shape_of
from tests.parity.i3d import after_fill


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


class Networks(nn.Module):
    """The networks of a case, each under its modality: RGB sees weighted maps, flow beside it plain ones."""

    def __init__(self, case: Case, modalities: Iterable[str]) -> None:
        super().__init__()
        for modality in modalities:
            kind, shape, attention = shape_of(case, f"{modality}.")
            self.add_module(modality, Detector(kind, shape, attention=attention))

    def each(self) -> dict[str, Network]:
        together = len(self._modules) > 1
        return {name: partial(net, weighted=name == "rgb" or not together) for name, net in self.named_children()}


@handles("det_pipeline*")
def pipeline(case: Case) -> dict[str, Any]:
    """The test program over the case's videos: windows, networks, fusion, decoding, soft-NMS.

    Candidates are compared one by one. Padding makes positions whose scores differ in the last bits alone, and soft-NMS takes the better
    one first, so what follows hangs on rounding: its outputs are compared on the candidates of the case. That the program as a whole gives
    out what soft-NMS makes of its own candidates is asked to the bit.
    """
    # a processor without AVX-512 is 7e-5 s off
    case.allow("candidates", absolute=2e-4)  # seconds and scores are in one array: its largest number would hide the scores
    case.allow("proposals.*", absolute=1e-6)
    config, modalities = case.config, sorted({name.partition(".")[0] for name in case.meta["state"]}, reverse=True)
    networks = Networks(case, modalities)
    after_fill(case, case.fill(networks)).eval()
    decoding = Decoding(config["nms_sigma"], config["conf_thresh"], top_k=config["top_k"], length=config["clip_length"])
    sizes = {"length": config["clip_length"], "stride": config["clip_stride"], "side": config["crop_size"]}
    got: dict[str, Any] = {}
    keys, rows = [], []
    for place, (video, frames) in enumerate(config["videos"].items()):
        arrays = {modality: enlarged(case, f"{modality}.{video}")[:frames] for modality in modalities}
        said, begins = fused_outputs(networks.each(), arrays, **sizes)
        names = [str(number) for number in range(1, said.conf.shape[-1])]
        everything = candidates(said, begins, config["sample_fps"], config["clip_length"])
        for number in range(1, len(names) + 1):
            times, scores = class_candidates(everything, number, config["conf_thresh"])
            if len(scores):
                keys.append((place, number))
                rows.append(np.column_stack([times, scores]))
        detections = segments(said, begins, config["sample_fps"], names, decoding).detections
        whole = np.array([(int(one.label), one.start, one.end, one.score) for one in detections])
        own = {number: of_class for (of, number), of_class in zip(keys, rows) if of == place}
        if not np.array_equal(whole, suppressed(own, decoding)):
            raise Mismatch(f"the detections of {video} are not what soft-NMS makes of its candidates")
        got[f"proposals.{video}"] = suppressed(expected(case, place), decoding)
    counts = [len(of_class) for of_class in rows]
    return got | {"candidate_counts": np.array(counts), "candidate_keys": np.array(keys), "candidates": np.concatenate(rows)}


def expected(case: Case, place: int) -> dict[int, np.ndarray]:
    """The case's own candidates of one video: class -> (start, end, score) rows."""
    parts = np.split(case.outputs["candidates"], np.cumsum(case.outputs["candidate_counts"])[:-1])
    return {number: rows for (of, number), rows in zip(case.outputs["candidate_keys"].tolist(), parts) if of == place}


def suppressed(candidates: dict[int, np.ndarray], decoding: Decoding) -> np.ndarray:
    """(class, start, end, score) rows that soft-NMS leaves of candidates."""
    found = []
    for number, rows in candidates.items():
        kept, scores = soft_nms(rows[:, :2], rows[:, 2], sigma=decoding.sigma, threshold=decoding.kept, top_k=decoding.top_k)
        found.append(np.column_stack([np.full(len(kept), number), rows[kept, :2], scores]))
    return np.concatenate(found)


def enlarged(case: Case, name: str) -> np.ndarray:
    """An array (n, H, W, C) of the case, each axis repeated as its description says."""
    axes, times = re.search(r"repeat axes ([\d,]+) by ([\d,]+)", case.meta["inputs"][name]).groups()
    array = case.inputs[name]
    for axis, count in zip(axes.split(","), times.split(",")):
        array = array.repeat(int(count), int(axis))
    return array
