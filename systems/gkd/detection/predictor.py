"""The actions in videos that are in no dataset, found and decoded as the evaluation does it with those of the test split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models.prediction import Answer, Asked, Made, Question, Segment
from models.training.determinism import make_deterministic
from systems.gkd.compared import BOTH_STREAMS, check_streams
from systems.gkd.detection.array_files import read_list
from systems.gkd.detection.decode import fused, segments
from systems.gkd.detection.evaluate import decoding_of, looked
from systems.gkd.detection.trained import Network, read


@dataclass(frozen=True)
class Detecting:
    """Networks by the input that each sees, one or RGB and flow; the parameters of the evaluation (stride, threshold, sigma ...).

    ``top``: how many segments of a video are said.
    """

    networks: Mapping[str, Network]
    params: Any
    top: int

    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The segments of each video with the highest scores."""
        arrays = {alias: read_list(made.inputs[alias]) for alias in self.networks}
        first = next(iter(self.networks.values()))
        names, rate = [str(name) for name in first.about["classes"]], next(iter(arrays.values())).fps
        for id in made.ids:
            length = min(one.lengths[id] for one in arrays.values())
            said, begins = zip(*(looked(self.params, one, arrays[alias], id, length) for alias, one in self.networks.items()))
            together = said[0] if len(said) == 1 else fused(*said)
            found = segments(together, begins[0], rate, names, decoding_of(self.params, first)).detections
            best = sorted(found, key=lambda one: -one.score)[: self.top]
            yield id, Answer("segments", segments=tuple(Segment(*one) for one in best))


def load(asked: Asked) -> Detecting:
    """The network of an artifact; where both are asked for, with the one that sees flow. Raises ConfigError if they are not fused."""
    make_deterministic(0, threads=asked.threads)
    networks = {"arrays": read(asked.network, asked.device)}
    if asked.modality == BOTH_STREAMS:
        networks["partner.arrays"] = read(asked.kept["partner"], asked.device)
        check_streams(*networks.values())
    return Detecting(networks, asked.settings, asked.top)
