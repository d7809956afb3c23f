"""The class of a clip that is in no dataset, from the middle of it, as the evaluation looks at those of the test split.

A network is asked alone, or one of RGB with one of flow, whose logits are fused as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.prediction import Answer, Asked, Made, Question, ranked
from models.training.determinism import make_deterministic
from systems.gkd.compared import BOTH_STREAMS, check_streams
from systems.gkd.recognition.clips import Clips
from systems.gkd.recognition.fusion import scores
from systems.gkd.recognition.trained import Network, read


@dataclass(frozen=True)
class Recognising:
    """Networks by the input that each sees, one or RGB and flow; where they compute, and how many classes are said."""

    networks: Mapping[str, Network]
    device: str
    top: int

    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The classes of each clip in the order of the evaluation's scores, with what these are made of: the mean over positions."""
        clips = {alias: Clips(made.inputs[alias], made.items[alias], one.modality) for alias, one in self.networks.items()}
        names = [str(name) for name in next(iter(self.networks.values())).about["classes"]]
        for id in made.ids:
            streams = [self._logits(one, clips[alias], id) for alias, one in self.networks.items()]
            together = sum(streams[1:], streams[0])
            order, probabilities = scores(*streams)[0].tolist(), together.softmax(1).mean(2)[0].tolist()
            yield id, Answer("classes", ranked(names, probabilities, self.top, by=order))

    def _logits(self, network: Network, clips: Clips, id: str) -> Tensor:
        view = torch.from_numpy(network.look.middle(clips, id))[None]
        return network.logits(view.to(self.device)).cpu()


def load(asked: Asked) -> Recognising:
    """The network of an artifact; where both are asked for, with the one that sees flow. Raises ConfigError if they are not fused."""
    make_deterministic(0, threads=asked.threads)
    networks = {"frames": read(asked.network, asked.device)}
    if asked.modality == BOTH_STREAMS:
        networks["partner.frames"] = read(asked.kept["partner"], asked.device)
        check_streams(*networks.values())
    return Recognising(networks, asked.device, asked.top)
