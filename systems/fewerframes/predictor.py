"""The labels of videos that are in no dataset, from the frames that a network sees of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cache.json_files import read_json
from models.prediction import Answer, Asked, Made, Question, ranked
from models.training.determinism import make_deterministic
from systems.fewerframes.data import Partition, open_partition
from systems.fewerframes.described import PARTITION
from systems.fewerframes.trained import Network, read_network


@dataclass(frozen=True)
class Labelling:
    """A network, the names of its labels, where it computes, and how many labels are said."""

    network: Network
    names: Sequence[str]
    device: str
    top: int

    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The most probable labels of each video; each has a probability of its own, so these do not sum to 1."""
        partition = Partition(open_partition(made.inputs["ingest"], PARTITION), self.network.view)
        place = {id: number for number, id in enumerate(partition.ids)}
        for id in made.ids:
            (places,) = partition.in_order(len(partition))
            said = self.network.predict(partition.batch(places[place[id]][None], self.device)).probabilities[0].tolist()
            yield id, Answer("labels", ranked(self.names, said, self.top))


def load(asked: Asked) -> Labelling:
    """The network of an artifact, and the vocabulary of the dataset; without one, labels are called by their numbers."""
    make_deterministic(0, threads=asked.threads)
    facts = read_json(asked.kept["ingest"] / "frames.json")
    names = facts["classes"] or [str(number) for number in range(facts["num_classes"])]
    return Labelling(read_network(asked.network, asked.device), names, asked.device, asked.top)
