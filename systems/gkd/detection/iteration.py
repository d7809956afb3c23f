"""One training iteration of detection: pass 1 trains the CVAE on the frozen network, pass 2 the network with the frozen CVAE (spec 4.3).

Neither updates anything: they give the loss of a batch and its terms; the optimizers are the training loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from systems.gkd.cvae import CVAE, Reconstruction
from systems.gkd.detection.losses import (
    SegmentLosses,
    background_classes,
    boundary_losses,
    contrastive,
    multisegment,
)
from systems.gkd.detection.networks import Detector, Maps
from systems.gkd.detection.pyramid import Detections
from systems.gkd.freezing import frozen
from systems.gkd.generative_losses import GENERATIVE, cvae_loss, ramp, squared

#: shape (B, T, C) -> N(0, 1)
Noise = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True)
class Weights:
    """Weights of the terms (published options ``--lw --cw --ssl --beta``, and 35 for the background), and ``piou``."""

    lw: float = 10.0
    cw: float = 1.0
    ssl: float = 0.1
    beta: float = 10.0
    background: float = 35.0
    piou: float = 0.5
    focal_loss: bool = True


@dataclass(frozen=True)
class Sample:
    """B clips (B, C, T, S, S); of each its actions (n, 3) and its boundaries' maps (B, 2, T); of M of them contrastive clips.

    contrasts (M, 3, 2): the three segments of a contrastive clip in frames; None where no clip of the batch has one.
    """

    clips: Tensor
    targets: Sequence[Tensor]
    boundaries: Tensor
    contrastive_clips: Tensor | None = None
    contrasts: Tensor | None = None


@dataclass(frozen=True)
class Result:
    """A loss, and its terms without their weights."""

    loss: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


def noise_for(attention: Tensor, noise: Noise | None) -> Tensor | None:
    """Noise (B, T, C) for an attention (B, C, T); None leaves drawing it to the CVAE."""
    batch, channels, steps = attention.shape
    return None if noise is None else noise((batch, steps, channels))


def generator_loss(student: Detector, cvae: CVAE, teacher_cvae: CVAE | None, clips: Tensor, noise: Noise | None = None) -> Result:
    """Pass 1: the student's CVAE learns to make the student's maps, and what the teacher's CVAE makes of them.

    Noise is drawn for Mixed_5c, then Mixed_4f, of the student, then of the teacher. The networks get no gradients.
    """
    with torch.no_grad():
        maps = student.features(clips)
        attention = student.attention(maps)
    made = _reconstructed(cvae, maps, attention, noise)
    losses = [cvae_loss(x, m, a) for x, m, a in zip(maps, made, attention, strict=True)]
    loss, terms = losses[0] + losses[1], {"cvae_4f": losses[0], "cvae_5c": losses[1]}
    if teacher_cvae is not None:
        with torch.no_grad():
            taught = _reconstructed(teacher_cvae, maps, attention, noise)
        distances = [squared(m.features, t.features) for m, t in zip(made, taught, strict=True)]
        loss = loss + GENERATIVE * (distances[0] + distances[1])
        terms |= {"generative_4f": distances[0], "generative_5c": distances[1]}
    return Result(loss, terms)


def _reconstructed(cvae: CVAE, maps: Maps, attention: Maps, noise: Noise | None) -> tuple[Reconstruction, Reconstruction]:
    """What a CVAE makes of Mixed_4f and of Mixed_5c; the noise for Mixed_5c comes first."""
    coarse = cvae(maps.map_5c, attention.map_5c, noise_for(attention.map_5c, noise))
    return cvae(maps.map_4f, attention.map_4f, noise_for(attention.map_4f, noise)), coarse


def detector_loss(
    student: Detector,
    cvae: CVAE | None,
    teacher: Detector | None,
    sample: Sample,
    epoch: int,
    weights: Weights | None = None,
    *,
    noise: Noise | None = None,
    reconstructed: str = "raw",
) -> Result:
    """Pass 2: the student learns to detect, to be like what its CVAE samples, and to attend as the teacher does.

    epoch:         counts from 1.
    teacher, cvae: None leaves their terms out; they get no gradients.
    reconstructed: what the CVAE's samples are compared with: ``raw``, the maps of the clips, or ``overwritten``, what is left in the
                   published dictionary of features by then: the weighted maps of the contrastive clips, or without those the clips'
                   background (quirk D2).
    """
    weights = weights or Weights()
    maps = student.features(sample.clips)
    attention = student.attention(maps)
    loss, terms = _supervised(student.detect(student.weighted(maps, attention)), sample, weights)
    background = student.background(maps, attention)
    terms["background"] = background_classes(student.coarse_pyramid_detection.coarse_classes(*background), focal_loss=weights.focal_loss)
    loss = loss + weights.background * weights.cw * terms["background"]
    left = background
    if sample.contrastive_clips is not None and sample.contrasts is not None:
        other = student.features(sample.contrastive_clips)
        other_attention = student.attention(other)
        left = student.weighted(other, other_attention)
        terms["triplet"] = contrastive(student.coarse_pyramid_detection.contrast(*left, sample.contrasts))
        loss = loss + weights.ssl * terms["triplet"]
        if teacher is not None:
            loss = loss + weights.beta * _attention(terms, "contrastive_attention", other_attention, teacher, sample.contrastive_clips)
    if cvae is not None:
        compared = maps if reconstructed == "raw" else left
        loss = loss + ramp(epoch) * _reconstruction(terms, cvae, compared, attention, noise)
    if teacher is not None:
        loss = loss + weights.beta * _attention(terms, "attention", attention, teacher, sample.clips)
    return Result(loss, terms)


def plain_loss(net: Detector, sample: Sample, weights: Weights | None = None) -> Result:
    """The objective of plain AFSD: the head on the maps as they are, no background pass, the contrastive branch where there is a clip."""
    weights = weights or Weights()
    loss, terms = _supervised(net.detect(net.features(sample.clips)), sample, weights)
    if sample.contrastive_clips is not None and sample.contrasts is not None:
        other = net.features(sample.contrastive_clips)
        terms["triplet"] = contrastive(net.coarse_pyramid_detection.contrast(*other, sample.contrasts))
        loss = loss + weights.ssl * terms["triplet"]
    return Result(loss, terms)


def _supervised(found: Detections, sample: Sample, weights: Weights) -> tuple[Tensor, dict[str, Tensor]]:
    """lw (loc + prop_loc) + cw (conf + prop_conf + center) + start + end, and these terms."""
    frames = sample.boundaries.shape[-1]
    of: SegmentLosses = multisegment(found, sample.targets, frames, weights.piou, focal_loss=weights.focal_loss)
    start, end = boundary_losses(found, sample.boundaries)
    loss = weights.lw * (of.loc + of.prop_loc) + weights.cw * (of.conf + of.prop_conf + of.center) + start + end
    return loss, {**of._asdict(), "start": start, "end": end}


def _reconstruction(terms: dict[str, Tensor], cvae: CVAE, maps: Maps, attention: Maps, noise: Noise | None) -> Tensor:
    """How far samples of the CVAE are from maps; the noise for Mixed_4f comes first."""
    with frozen(cvae):
        for name, x, a in zip(("4f", "5c"), maps, attention, strict=True):
            terms[f"reconstruction_{name}"] = squared(cvae.sample(a, noise_for(a, noise)), x)
    return terms["reconstruction_4f"] + terms["reconstruction_5c"]


def _attention(terms: dict[str, Tensor], prefix: str, attention: Maps, teacher: Detector, clips: Tensor) -> Tensor:
    """How far an attention is from the teacher's on the same clips."""
    with torch.no_grad():
        wanted = teacher.attention(teacher.features(clips))
    for name, a, b in zip(("4f", "5c"), attention, wanted, strict=True):
        terms[f"{prefix}_{name}"] = squared(a, b)
    return terms[f"{prefix}_4f"] + terms[f"{prefix}_5c"]
