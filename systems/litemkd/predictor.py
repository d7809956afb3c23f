"""The class of a clip, told from folders of examples: an episode whose support set somebody brings, of as many clips a class as they like.

Clips are seen as in the evaluation (:mod:`systems.litemkd.comparing`). Classes may have different numbers of examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from models.prediction import Answer, Asked, Made, Question, ranked
from models.training.determinism import make_deterministic
from systems.litemkd import trained
from systems.litemkd.comparing import Comparing, Expert, Student, Teacher, short
from systems.litemkd.heads import Prepared
from systems.litemkd.networks import Network
from systems.litemkd.prepared import joined


class FewShot:
    """A network and the examples that it was shown."""

    def __init__(self, network: Comparing, device: str, top: int) -> None:
        self._network, self._device, self._top = network, device, top
        self._support: dict[str, list[Prepared]] = {}

    @torch.inference_mode()
    def learn(self, made: Made, classes: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
        """Keep what the network needs of the examples; returns why some have too few frames."""
        clips = self._network.opened(made)
        lost = short(clips)
        for name, ids in classes.items():
            there = [id for id in ids if id not in lost]
            if there:
                self._support.setdefault(name, []).append(self._network.prepared(clips, there))
        return {id: why for id, why in lost.items() if id in made.ids}

    @torch.inference_mode()
    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The classes of each clip by their probability."""
        names, clips = sorted(self._support), self._network.opened(made)
        lost, parts = short(clips), [joined(self._support[name]) for name in names]
        labels = torch.tensor([label for label, part in enumerate(parts) for _ in range(count_of(part))], device=self._device)
        support = joined(parts)
        for id in made.ids:
            if id in lost:
                yield id, Answer("classes", lack=lost[id])
                continue
            logits = self._network.logits(support, labels, self._network.prepared(clips, [id]))
            yield id, Answer("classes", ranked(names, logits[0].softmax(0).tolist(), self._top))


def count_of(prepared: Prepared) -> int:
    """How many clips were prepared."""
    first: Any = next(iter(prepared.values()))
    return len(first[0] if isinstance(first, tuple) else first)


def load_student(asked: Asked) -> FewShot:
    """The student of an artifact."""
    make_deterministic(0, threads=asked.threads)
    network = Network(*trained.read(asked.network, asked.device))
    return FewShot(Student(network, asked.device, asked.settings.batch_size), asked.device, asked.top)


def load_expert(asked: Asked) -> FewShot:
    """The expert of an artifact."""
    make_deterministic(0, threads=asked.threads)
    return FewShot(Expert(Network(*trained.read(asked.network, asked.device)), asked.device), asked.device, asked.top)


def load_teacher(asked: Asked) -> FewShot:
    """The teacher of an artifact, and the experts that it was trained on."""
    make_deterministic(0, threads=asked.threads)
    model, about = trained.read(asked.network, asked.device)
    experts = {
        modality: Expert(Network(*trained.read(asked.kept[f"{modality}.expert"], asked.device)), asked.device, f"{modality}.frames")
        for modality in about["modalities"]
    }
    return FewShot(Teacher(model, experts), asked.device, asked.top)
