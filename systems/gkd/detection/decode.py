"""From what a detector says of the windows of a video to segments with seconds, classes and scores (spec 6.2).

Numbers of a window: K positions on all levels (126 at 256 frames), C classes with background as class 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from systems.gkd.detection.results import Detection
from systems.gkd.detection.soft_nms import soft_nms
from systems.gkd.detection.windows import LENGTH

Floats = npt.NDArray[np.float32]


class Outputs(NamedTuple):
    """What a network says of W windows, before any softmax: float32.

    loc, prop_loc (W, K, 2): distances to start and end in frames, and how they are refined; conf, prop_conf (W, K, C) logits of both;
    center (W, K, 1) logits of how central a position is; priors (K, 1): positions as shares of a window.
    """

    loc: Floats
    conf: Floats
    prop_loc: Floats
    prop_conf: Floats
    center: Floats
    priors: Floats


@dataclass(frozen=True)
class Decoding:
    """How outputs become segments. ``sigma`` is 0.5 in AFSD and for flow, 0.1 in the released file for rgb, which fusion reads too (D9).

    threshold: scores above it are candidates. kept: below it a candidate is dropped while others suppress it. last: see
    :func:`systems.gkd.detection.soft_nms.soft_nms` (D11).
    """

    sigma: float = 0.1
    threshold: float = 0.01
    kept: float = 0.001
    top_k: int = 5000
    last: str = "lost"
    length: int = LENGTH


def fused(rgb: Outputs, flow: Outputs) -> Outputs:
    """The mean of two networks' distances and logits. Raises DataError if they did not see the same windows."""
    if [part.shape for part in rgb] != [part.shape for part in flow]:
        raise DataError(f"rgb and flow cannot be fused: {len(rgb.loc)} and {len(flow.loc)} windows, or other positions or classes")
    return Outputs(*((a + b) / np.float32(2) for a, b in zip(rgb[:-1], flow[:-1])), rgb.priors)


class Candidates(NamedTuple):
    """Segments (N, 2) in seconds and scores (N, C) of all positions of a video, float32, window after window.

    ``non_finite`` positions are not among them, since one of their numbers is none.
    """

    segments: Floats
    scores: Floats
    non_finite: int


def candidates(outputs: Outputs, offsets: Sequence[int], rate: float, length: int = LENGTH) -> Candidates:
    """What the windows that begin at ``offsets`` (W,) say, on the video's own time; ``rate`` sampled frames a second.

    Raises DataError if there are not as many windows as offsets.
    """
    if len(outputs.loc) != len(offsets):
        raise DataError(f"{len(outputs.loc)} windows of outputs, where {len(offsets)} were asked for")
    half = (outputs.loc.sum(-1, keepdims=True) * np.float32(0.5)) * outputs.prop_loc + outputs.loc
    places = outputs.priors.reshape(-1) * np.float32(length)
    segments = np.stack([places - half[..., 0], places + half[..., 1]], -1).clip(0, length)
    seconds = (segments + np.asarray(offsets, np.float32)[:, None, None]) / np.float32(rate)
    with np.errstate(over="ignore"):
        central = 1 / (1 + np.exp(-outputs.center))
    scores = np.float32(0.5) * (_softmax(outputs.conf) + _softmax(outputs.prop_conf)) * central
    seconds, scores = seconds.reshape(-1, 2), scores.reshape(-1, scores.shape[-1])
    sound = np.isfinite(seconds).all(-1) & np.isfinite(scores).all(-1)
    return Candidates(seconds[sound], scores[sound], int((~sound).sum()))


def _softmax(logits: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


class Found(NamedTuple):
    """Detections of a video, class by class, each in the order of windows and positions, and what a person has to know of them.

    non_finite: positions left out, since one of their numbers is none. empty: detections that do not end after they begin, as distances
    below 0 make; they are in the published results, and here.
    """

    detections: list[Detection]
    non_finite: int
    empty: int


def class_candidates(found: Candidates, number: int, threshold: float) -> tuple[Floats, Floats]:
    """Segments and scores of the candidates of one class: those above the threshold."""
    above = found.scores[:, number] > threshold
    return found.segments[above], found.scores[above, number]


def segments(
    outputs: Outputs,
    offsets: Sequence[int],
    rate: float,
    classes: Sequence[str],
    decoding: Decoding = Decoding(),
) -> Found:
    """The detections of one video of any length, from the outputs of its windows.

    classes: names of the classes 1..C-1. Raises DataError as :func:`candidates`, and if the network has other classes.
    """
    if outputs.conf.shape[-1] != len(classes) + 1:
        raise DataError(f"the network knows {outputs.conf.shape[-1] - 1} classes, and there are {len(classes)} names")
    all_of_them = candidates(outputs, offsets, rate, decoding.length)
    detections = []
    for number, label in enumerate(classes, 1):
        places, scores = class_candidates(all_of_them, number, decoding.threshold)
        kept, new = soft_nms(places, scores, sigma=decoding.sigma, threshold=decoding.kept, top_k=decoding.top_k, last=decoding.last)
        detections += [Detection(label, score, *place) for score, place in zip(new.tolist(), places[kept].tolist())]
    return Found(detections, all_of_them.non_finite, sum(one.end <= one.start for one in detections))
