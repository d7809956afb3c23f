"""What an episode is for an expert, for the teacher and for a student: the data it takes, the loss, the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from systems.litemkd import losses, step
from systems.litemkd.dumped import Dumped
from systems.litemkd.episodes import Episode
from systems.litemkd.episodic import Made
from systems.litemkd.heads import Features
from systems.litemkd.mfm import MFM
from systems.litemkd.model import Student
from systems.litemkd.objectives import Objective
from systems.litemkd.protocol import Answer
from systems.litemkd.seen import At, Look
from systems.litemkd.single import PATCHES, Single
from systems.litemkd.targets import Targets
from systems.litemkd.videos import Video

#: Videos that a network sees together in a validation.
LOT = 4


class Source(Protocol):
    """Gives what networks see of videos (:mod:`systems.litemkd.seen`)."""

    def drawn(self, ids: Sequence[str], at: At) -> Tensor:
        """In a training episode."""
        ...

    def middle(self, ids: Sequence[str]) -> Tensor:
        """In a validation."""
        ...


class OfPictures:
    """What experts and students have in common. ``look`` None: the source gives what a frozen trunk made of the pictures."""

    def __init__(self, source: Source, look: Look | None, seed: int, device: str) -> None:
        self.source, self.look, self.seed, self.device = source, look, seed, device

    def pair(self, episode: Episode, number: int) -> tuple[Tensor, Tensor]:
        """Support and query clips."""
        support, query = names(episode.support), names(episode.query)
        at = At(self.seed, number)
        return self.source.drawn(support, at), self.source.drawn(query, at._replace(item=len(support)))

    def input(self, clips: Tensor) -> Tensor:
        """The network's input, or the frozen trunk's output, on the device."""
        return clips.to(self.device) if self.look is None else self.look.input(clips, self.device)

    def in_lots(self, videos: Sequence[Video]) -> Iterator[Tensor]:
        """The inputs of a validation's videos."""
        for start in range(0, len(videos), LOT):
            yield self.input(self.source.middle(names(videos[start : start + LOT])))


class ExpertLesson(OfPictures):
    """A network of one modality learns the labels: their cross-entropy summed over the queries, / 16 (its mean, of ``baseline``)."""

    def __init__(self, model: Single, source: Source, look: Look | None, seed: int, device: str) -> None:
        super().__init__(source, look, seed, device)
        self.model = model

    def parameters(self) -> Sequence[nn.Parameter]:
        """Those that learn."""
        return learning(self.model)

    def fetch(self, episode: Episode, number: int) -> tuple[Tensor, Tensor]:
        """Support and query clips."""
        return self.pair(episode, number)

    def teach(self, data: tuple[Tensor, Tensor], labels: Tensor, wanted: Tensor) -> Made:
        """The loss of an episode; STRM's patches have a tenth of its weight."""
        known, asked = (self._features(self.input(part)) for part in data)
        outputs = self.model.match(known, labels, asked)
        loss = losses.hard if self.model.kind == "baseline" else losses.summed
        parts = {name: loss(logits, wanted) for name, logits in outputs.items()}
        total = parts["logits"] + PATCHES * parts["pat"] if "pat" in parts else parts["logits"]
        return total, {f"ce.{name}": value for name, value in parts.items()}, self.model.answer(outputs).detach()

    def answers(self, videos: Sequence[Video]) -> Answer:
        """By features that are computed once."""
        features = torch.cat([self._features(clips) for clips in self.in_lots(videos)])

        def answer(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
            return self.model.answer(self.model.match(features[support], labels.to(features.device), features[query]))

        return answer

    def _features(self, clips: Tensor) -> Tensor:
        return clips if self.look is None else self.model.features(clips)


class TeacherLesson:
    """The teacher learns the labels from the dumps of its modalities, rgb first."""

    def __init__(self, model: MFM, dumps: Sequence[Dumped], device: str) -> None:
        self.model, self.dumps, self.device = model, dumps, device

    def parameters(self) -> Sequence[nn.Parameter]:
        """All."""
        return learning(self.model)

    def fetch(self, episode: Episode, number: int) -> tuple[list[Tensor], list[Tensor]]:
        """The features of support and query clips, of every modality."""
        support, query = names(episode.support), names(episode.query)
        return [dump.features(support) for dump in self.dumps], [dump.features(query) for dump in self.dumps]

    def teach(self, data: tuple[list[Tensor], list[Tensor]], labels: Tensor, wanted: Tensor) -> Made:
        """The loss of an episode."""
        support, query = ([clips.to(self.device) for clips in side] for side in data)
        logits = self.model(support, labels, query)
        total = losses.summed(logits, wanted)
        return total, {"ce.logits": total}, logits.detach()

    def answers(self, videos: Sequence[Video]) -> Answer:
        """By fused features that are computed once, as support clips and as queries."""
        sides = {side: torch.cat(list(self._fused(names(videos), side))) for side in ("support", "query")}

        def answer(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
            known, asked = sides["support"], sides["query"]
            return self.model.match(known[support], labels.to(known.device), asked[query])

        return answer

    def _fused(self, ids: Sequence[str], side: str) -> Iterator[Tensor]:
        for start in range(0, len(ids), 8 * LOT):
            lot = ids[start : start + 8 * LOT]
            yield self.model.fuse([dump.features(lot).to(self.device) for dump in self.dumps], side)


class StudentLesson(OfPictures):
    """A student learns its objective from labels and, if there are ``targets``, from a teacher."""

    def __init__(
        self,
        model: Student,
        source: Source,
        look: Look | None,
        objective: Objective,
        targets: Targets | None,
        params: Any,
        device: str,
    ) -> None:
        super().__init__(source, look, params.seed, device)
        self.model, self.objective, self.targets, self.temperature = model, objective, targets, params.temperature

    def parameters(self) -> Sequence[nn.Parameter]:
        """Those that learn."""
        return learning(self.model)

    def fetch(self, episode: Episode, number: int) -> Any:
        """Support and query clips, and their features of the teacher."""
        features = None
        if self.targets is not None:
            features = tuple(self.targets.features(names(part)) for part in (episode.support, episode.query))
        return self.pair(episode, number), features

    def teach(self, data: Any, labels: Tensor, wanted: Tensor) -> Made:
        """The objective of an episode."""
        (support, query), features = data
        targets = None if self.targets is None else self.targets(features[0], labels, features[1])
        rest = (wanted, targets, self.objective, self.temperature)
        known, asked = self.input(support), self.input(query)
        if self.look is None:
            branches = self.model.backbone.branches
            return step.compared(self.model, branches(known), labels, branches(asked), *rest)
        return step.loss(self.model, known, labels, asked, *rest)

    def answers(self, videos: Sequence[Video]) -> Answer:
        """By the features of the backbone, computed once."""
        see: Callable[[Tensor], Features] = self.model.backbone if self.look is not None else self.model.backbone.branches
        lots = [see(clips) for clips in self.in_lots(videos)]
        features = {name: torch.cat([lot[name] for lot in lots]) for name in lots[0]}

        def answer(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
            known, asked = ({name: clips[places] for name, clips in features.items()} for places in (support, query))
            return self.model.answer(self.model.classifier(known, labels.to(self.device), asked))

        return answer


def learning(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that a gradient can move."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def names(videos: Sequence[Video]) -> list[str]:
    """Their ids."""
    return [video.name for video in videos]
