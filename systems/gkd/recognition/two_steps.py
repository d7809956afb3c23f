"""The two passes of an epoch (spec 4.2): the CVAE learns from a frozen network, then the network from the frozen CVAE.

With a teacher the passes also distil: the CVAE learns to make what the teacher's CVAE makes (generative distillation), the network to
attend where the teacher does (attention distillation). A teacher trains by the same passes without a teacher of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from models.training.schedules import constant, cosine
from models.training.updates import Group, Loss, Update
from systems.gkd.attention import weigh
from systems.gkd.cvae import CVAE
from systems.gkd.freezing import frozen, kept_statistics
from systems.gkd.generative_losses import GENERATIVE, cvae_loss, squared
from systems.gkd.recognition.fusion import scores
from systems.gkd.recognition.losses import BETA, classification, objective
from systems.gkd.recognition.network import Recogniser
from systems.gkd.switches import switches

#: clips (B, C, T, S, S) and labels (B,)
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Teacher:
    """What is distilled from, all in evaluation mode: a CVAE, and clips -> attention. None leaves out that distillation."""

    cvae: CVAE | None
    attention: Callable[[Tensor], Tensor] | None


@dataclass
class TwoSteps:
    """The losses of both passes; the network is in training mode throughout.

    cvae:        None trains the network alone, and there is no first pass.
    generative:  weight of the generative distillation.
    beta:        weight of the attention distillation.
    noise:       shape (B, T, C) of what is asked for -> N(0, 1); by default torch's generator. Pass 1 asks for the network's CVAE first,
                 then for the teacher's.
    weighted:    the attention weights what is classified; flow that is not distilled is published without.
    """

    network: Recogniser
    cvae: CVAE | None
    teacher: Teacher | None = None
    generative: float = GENERATIVE
    beta: float = BETA
    noise: Callable[[Sequence[int]], Tensor] | None = None
    switches: Mapping[str, str] = field(default_factory=lambda: switches("fixed"))
    weighted: bool = True

    def make(self, clips: Tensor, labels: Tensor) -> Loss:
        """Pass 1: the loss of the CVAE, and its terms."""
        assert self.cvae is not None
        features, attention = self._frozen_network(clips)
        made = self.cvae(features, attention, self._noise(features))
        terms = {"cvae": cvae_loss(features, made, attention)}
        if self.teacher is not None and self.teacher.cvae is not None:
            with torch.no_grad():
                aim = self.teacher.cvae(features, attention, self._noise(features)).features
            terms["generative"] = squared(made.features, aim)
        loss = terms["cvae"] + self.generative * terms["generative"] if "generative" in terms else terms["cvae"]
        return loss, terms, len(clips)

    def recognise(self, clips: Tensor, labels: Tensor, epoch: int) -> Loss:
        """Pass 2: the loss of the network, and its terms; ``epoch`` counts from 1."""
        features = self.network.features(clips)
        attention = self.network.attention(features)
        seen = weigh(features, attention, per_clip=self.switches["weighting"] == "clip") if self.weighted else features
        logits = self.network.classify(seen)
        terms = {"task": classification(logits, labels, self.switches["classification"])}
        if self.cvae is not None:
            with frozen(self.cvae):
                terms["reconstruction"] = squared(self.cvae.sample(attention, self._noise(features)), features)
        if self.teacher is not None and self.teacher.attention is not None:
            with torch.no_grad():
                aim = self.teacher.attention(clips)
            terms["attention"] = squared(attention, aim)
        loss = objective(terms["task"], terms.get("reconstruction"), terms.get("attention"), epoch, self.beta)
        terms["accuracy"] = (scores(logits.detach()).argmax(1) == labels).float().mean()
        return loss, terms, len(clips)

    @torch.no_grad()
    def _frozen_network(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """The last map and its attention. BN is in training mode; its running statistics move here too (quirk R7)."""
        if self.switches["statistics"] == "kept":
            with kept_statistics(self.network):
                features = self.network.features(clips)
        else:
            features = self.network.features(clips)
        return features, self.network.attention(features)

    def _noise(self, features: Tensor) -> Tensor | None:
        return None if self.noise is None else self.noise((features.shape[0], features.shape[2], features.shape[1]))


@dataclass(frozen=True)
class Settings:
    """How both learn (spec 5). ``accumulate`` batches make a step; what is left over at the end of a pass is dropped.

    steps: of the network in all, over which its rate falls to 0 by half a cosine; 0 keeps it, as published.
    """

    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    cvae_lr: float = 1e-4
    cvae_betas: tuple[float, float] = (0.8, 0.999)
    accumulate: int = 1
    steps: int = 0


#: modality -> published settings
SETTINGS: Mapping[str, Settings] = {"rgb": Settings(), "flow": Settings(lr=1e-2)}


def updates(
    steps: TwoSteps, settings: Settings, batches: Callable[[int], Sequence[Any]], load: Callable[[int, Any], Batch]
) -> list[Update]:
    """The passes of an epoch for the training loop: the CVAE's, if there is one, then the network's.

    batches: epoch (from 0, as the loop counts) -> its batches, the same for both passes.
    load:    epoch and batch -> clips and labels.
    """

    def make(batch: tuple[int, Any]) -> Loss:
        return steps.make(*load(*batch))

    def recognise(batch: tuple[int, Any]) -> Loss:
        return steps.recognise(*load(*batch), epoch=batch[0] + 1)

    def numbered(epoch: int) -> list[tuple[int, Any]]:
        return [(epoch, batch) for batch in batches(epoch)]

    sgd = partial(torch.optim.SGD, momentum=settings.momentum)
    rate = cosine(settings.lr, 0.0, settings.steps) if settings.steps else constant(settings.lr)
    network = Group(list(steps.network.parameters()), rate, constant(settings.weight_decay))
    common: dict[str, Any] = {"batches": numbered, "accumulate": settings.accumulate, "leftover": False}
    found = [Update("network", loss=recognise, groups=[network], optimizer=sgd, **common)]
    if steps.cvae is not None:
        adam = partial(torch.optim.Adam, betas=settings.cvae_betas, fused=True)
        group = Group(list(steps.cvae.parameters()), constant(settings.cvae_lr))
        found.insert(0, Update("cvae", loss=make, groups=[group], optimizer=adam, **common))
    return found
