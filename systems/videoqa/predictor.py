"""Questions about videos that are in no dataset, answered as the evaluation answers those of the test split.

Questions are padded to the longest one of the test split, as there: with ``word_softmax=paper`` the attention over words counts padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from safetensors.numpy import load_file

from models.prediction import Answer, Asked, Made, Question, ranked
from models.training.artifact import read_network
from models.training.determinism import make_deterministic
from systems.videoqa.data import Batch, Features, Vocabulary
from systems.videoqa.model import DualVGR
from systems.videoqa.train import answer


@dataclass(frozen=True)
class Answerer:
    """A network with the answers that it knows; ``width`` is how many tokens a question of the test split has at most."""

    model: DualVGR
    answer_words: Sequence[str]
    width: int
    blind: bool
    device: str
    top: int

    @torch.inference_mode()
    def answers(self, made: Made, question: Question | None) -> Iterator[tuple[str, Answer]]:
        """The most probable answers to a question about each video."""
        assert question is not None
        features = Features(made.inputs["appearance"], made.inputs["motion"], nothing=self.blind)
        tokens = torch.zeros(1, max(self.width, len(question.tokens)), dtype=torch.int64)
        tokens[0, : len(question.tokens)] = torch.tensor(question.tokens)
        for id in made.ids:
            appearance, motion, index = features.gather(torch.tensor([features.row(int(id))]))
            moved = (tensor.to(self.device) for tensor in (appearance, motion, index, tokens))
            nothing = torch.zeros(1, dtype=torch.int64)
            batch = Batch(*moved, torch.tensor([len(question.tokens)]), nothing, nothing)
            probabilities = answer(self.model, batch).logits[0].softmax(0).tolist()
            yield id, Answer("answers", ranked(self.answer_words, probabilities, self.top))


def load(asked: Asked) -> Answerer:
    """The network of an artifact, and the answers of the vocabulary that it learnt."""
    make_deterministic(0, threads=asked.threads)
    model, about = read_network(asked.network, DualVGR, asked.device)
    questions = asked.kept["questions"]
    width = load_file(questions / "test.safetensors")["tokens"].shape[1]
    return Answerer(model, Vocabulary.load(questions).answer_words, width, about.get("video") == "none", asked.device, asked.top)
