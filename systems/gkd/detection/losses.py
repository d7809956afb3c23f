"""The objectives of detection: of the predictions, of the boundaries, and of the contrastive branch (spec 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from systems.gkd.detection.matching import matched, refined
from systems.gkd.detection.overlap import giou_loss, iou
from systems.gkd.detection.pyramid import Detections, Triple

#: weight of class 0, and of every other class, in the focal loss
BACKGROUND, ACTION = 0.25, 0.75
#: weights of the three features in the contrastive loss, and of the branches' boundaries beside the frame-level one
TRIPLETS, BRANCHES = (1.0, 0.1, 0.1), 0.1


class SegmentLosses(NamedTuple):
    """Coarse segments and classes, refined segments and classes, and the overlap that ``center`` foretells."""

    loc: Tensor
    conf: Tensor
    prop_loc: Tensor
    prop_conf: Tensor
    center: Tensor


def focal(logits: Tensor, classes: Tensor) -> Tensor:
    """Sum over positions of -alpha (1 - p)^2 log p, p = the softmax of the class + 1e-6: logits (M, K), classes (M,)."""
    p = logits.softmax(-1).gather(-1, classes[:, None])[:, 0] + 1e-6
    alpha = torch.where(classes == 0, BACKGROUND, ACTION)
    return -(alpha * (1 - p) ** 2 * p.log()).sum()


def class_loss(logits: Tensor, classes: Tensor, *, focal_loss: bool = True) -> Tensor:
    """Sum over positions, focal or plain cross-entropy."""
    return focal(logits, classes) if focal_loss else F.cross_entropy(logits, classes, reduction="sum")


def multisegment(found: Detections, targets: Sequence[Tensor], frames: int, piou: float = 0.5, *, focal_loss: bool = True) -> SegmentLosses:
    """The losses of predictions for B clips; a target (n, 3) is start and end in 0..1, and class. ``frames`` is the clip's length.

    Segments are counted where the coarse (refined) class is an action; all are divided by the number of those, at least 1.
    """
    chosen = [matched(found.priors, target.to(found.loc), frames) for target in targets]
    goals, classes = torch.cat([goal for goal, _ in chosen]), torch.cat([kind for _, kind in chosen])
    loc, conf, prop_loc, prop_conf, center = (
        x.flatten(0, 1) for x in (found.loc, found.conf, found.prop_loc, found.prop_conf, found.center)
    )
    corrections, refined_classes = refined(loc, goals, classes, piou)
    action, refined_action = classes > 0, refined_classes > 0
    n, refined_n = action.sum().clamp(min=1), refined_action.sum().clamp(min=1)
    coarse = loc[action]
    better = 0.5 * coarse.sum(-1, keepdim=True) * prop_loc[action] + coarse
    overlap = iou(better, goals[action]).clamp(min=0)  # not detached: the published loss moves it toward what ``center`` says
    return SegmentLosses(
        giou_loss(coarse, goals[action]).sum() / n,
        class_loss(conf, classes, focal_loss=focal_loss) / n,
        (prop_loc[refined_action] - corrections[refined_action]).abs().sum() / refined_n,
        class_loss(prop_conf, refined_classes, focal_loss=focal_loss) / refined_n,
        F.binary_cross_entropy_with_logits(center[action][:, 0], overlap, reduction="sum") / n,
    )


def background_classes(conf: Tensor, *, focal_loss: bool = True) -> Tensor:
    """The only term that targets of class 0 leave of :func:`multisegment`'s coarse ones: every position (B, N, K) is background."""
    flat = conf.flatten(0, 1)
    return class_loss(flat, torch.zeros(len(flat), dtype=torch.long, device=flat.device), focal_loss=focal_loss)


def boundary_bce(activation: Tensor, boundary: Tensor) -> Tensor:
    """Binary cross-entropy of a map (B, t) of 0 and 1 with the mean over channels of tanh of an activation (B, t, C)."""
    return F.binary_cross_entropy(activation.tanh().mean(-1), boundary)


def quarter(boundaries: Tensor) -> Tensor:
    """Boundary maps (..., frames) at the steps of level 0: every fourth entry."""
    return boundaries[..., ::4]


def boundary_losses(found: Detections, boundaries: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of starts and of ends; ``boundaries`` (B, 2, frames) are their maps of 0 and 1."""
    frames, steps = boundaries.unbind(1), quarter(boundaries).unbind(1)
    at_frames = (found.start, found.end)
    of_loc, of_conf = (found.start_loc_prop, found.end_loc_prop), (found.start_conf_prop, found.end_conf_prop)
    start, end = (
        boundary_bce(at_frames[i], frames[i]) + BRANCHES * (boundary_bce(of_loc[i], steps[i]) + boundary_bce(of_conf[i], steps[i]))
        for i in range(2)
    )
    return start, end


def contrastive(triples: Sequence[Triple]) -> Tensor:
    """Triplet losses (margin 1, Euclidean) of the three features, weighted 1, 0.1, 0.1."""
    terms = [weight * F.triplet_margin_loss(*triple, margin=1.0, p=2) for weight, triple in zip(TRIPLETS, triples, strict=True)]
    return torch.stack(terms).sum()
