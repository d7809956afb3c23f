"""The two passes of a detection epoch for the training loop, with the published settings (spec 4.3, 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from models.training.schedules import Schedule, constant, cosine
from models.training.updates import Group, Loss, Update
from systems.gkd.cvae import CVAE
from systems.gkd.detection.iteration import Noise, Result, Sample, Weights, detector_loss, generator_loss, plain_loss
from systems.gkd.detection.networks import Detector
from systems.gkd.switches import DETECTION, switches


@dataclass(frozen=True)
class Settings:
    """How the network (Adam, betas 0.9 and 0.999) and the CVAE (Adam) learn; published without a schedule.

    steps: of the network in all, over which its rate falls to 0 by half a cosine, after it rose for ``warmup`` steps; 0: constant.
    """

    lr: float = 1e-6
    weight_decay: float = 1e-3
    cvae_lr: float = 1e-4
    cvae_betas: tuple[float, float] = (0.8, 0.999)
    steps: int = 0
    warmup: int = 0

    @property
    def rate(self) -> Schedule:
        """The network's rate."""
        return cosine(self.lr, 0.0, self.steps, warmup=self.warmup) if self.steps else constant(self.lr)


#: modality -> published settings of the student; teachers and plain AFSD learn as flow does
SETTINGS: Mapping[str, Settings] = {"rgb": Settings(), "flow": Settings(lr=1e-5)}


@dataclass(frozen=True)
class Learning:
    """Who takes part in a training.

    cvae:         None trains the network without pass 1 and without the reconstruction.
    teacher:      None leaves out attention distillation, teacher_cvae: None generative distillation. Both in evaluation mode, without
                  gradients. Without both, this trains a teacher, or a student alone.
    """

    network: Detector
    cvae: CVAE | None = None
    teacher: Detector | None = None
    teacher_cvae: CVAE | None = None
    weights: Weights = field(default_factory=Weights)
    switches: Mapping[str, str] = field(default_factory=lambda: switches("fixed", DETECTION))
    noise: Noise | None = None

    def make(self, sample: Sample) -> Result:
        """Pass 1."""
        assert self.cvae is not None
        return generator_loss(self.network, self.cvae, self.teacher_cvae, sample.clips, self.noise)

    def detect(self, sample: Sample, epoch: int) -> Result:
        """Pass 2, or for a network without attention the objective of AFSD; ``epoch`` counts from 1."""
        if not self.network.has_attention:
            return plain_loss(self.network, sample, self.weights)
        how = self.switches["reconstructed"]
        return detector_loss(self.network, self.cvae, self.teacher, sample, epoch, self.weights, noise=self.noise, reconstructed=how)


def learning_parameters(network: Detector, affine: str) -> list[nn.Parameter]:
    """What pass 2 moves: everything, or with ``affine="frozen"`` all but the scales and shifts of batch normalisation (quirk D5)."""
    norms = [module for module in network.backbone.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.requires_grad_(affine == "trained")
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def updates(
    learning: Learning, settings: Settings, batches: Callable[[int], Sequence[Any]], load: Callable[[int, Any], Sample]
) -> list[Update]:
    """The CVAE's pass, if there is one, then the network's.

    batches: epoch (from 0, as the loop counts) -> its batches, the same for both passes.
    load:    epoch and batch -> sample.
    """

    def make(batch: tuple[int, Any]) -> Loss:
        return _counted(learning.make, load(*batch))

    def detect(batch: tuple[int, Any]) -> Loss:
        return _counted(partial(learning.detect, epoch=batch[0] + 1), load(*batch))

    def numbered(epoch: int) -> list[tuple[int, Any]]:
        return [(epoch, batch) for batch in batches(epoch)]

    parameters = learning_parameters(learning.network, learning.switches["affine"])
    group = Group(parameters, settings.rate, constant(settings.weight_decay))
    found = [Update("network", batches=numbered, loss=detect, groups=[group])]
    if learning.cvae is not None and learning.network.has_attention:
        adam = partial(torch.optim.Adam, betas=settings.cvae_betas, fused=True)
        group = Group(list(learning.cvae.parameters()), constant(settings.cvae_lr))
        found.insert(0, Update("cvae", batches=numbered, loss=make, groups=[group], optimizer=adam))
    return found


def _counted(loss: Callable[[Sample], Result], sample: Sample) -> Loss:
    result = loss(sample)
    return result.loss, result.terms, len(sample.clips)
