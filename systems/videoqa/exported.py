"""A DualVGR as it leaves: questions are read without packed sequences, so that no number decides what is computed.

Symbols: B questions, T tokens (as many as the longest question of the test split has: with ``word_softmax=paper`` attention counts the
padding), C clips, F frames of a clip, V width of the features, A answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.exported import Exportable, Feed, Found, Measure, Port, Run, around, in_lots
from models.training.artifact import read_network
from systems.videoqa.bilstm import BiLSTM
from systems.videoqa.data import Features, Split, Vocabulary
from systems.videoqa.model import DualVGR
from systems.videoqa.question_encoder import EncodedQuestion

#: Batches of the comparison, and questions of a batch of the score.
SIZES, LOT = (8, 3, 1), 64


class Exported(nn.Module):
    """appearance (B,C,F,V), motion (B,C,V), question (B,T) and length (B,) to logits (B,A)."""

    def __init__(self, network: DualVGR) -> None:
        super().__init__()
        self.network = network

    def forward(self, appearance: Tensor, motion: Tensor, question: Tensor, length: Tensor) -> tuple[Tensor]:
        net = self.network
        encoded = self._encoded(question, length)
        clips, moves = net.visual_appearance_input_unit(appearance), net.visual_motion_input_unit(motion)
        fused = net.visual_input_unit(encoded, length, clips, moves).fused
        return (net.output_unit(encoded.question, net.feature_aggregation(fused)),)

    def _encoded(self, question: Tensor, length: Tensor) -> EncodedQuestion:
        unit = self.network.linguistic_input_unit
        words = torch.tanh(unit.encoder_embed(question))
        states, _ = both_ways(unit.concatRNN.rnn, words, length)
        _, last = both_ways(unit.encoder, words, length)
        return EncodedQuestion(last, words, states)


def both_ways(lstm: BiLSTM, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """States (B,T,2h), zero beyond each length, and the last one of both directions (B,2h), of ``x`` (B,T,input)."""
    step = torch.arange(x.shape[1])
    mirrored = length[:, None] - 1 - step
    order = torch.where(mirrored >= 0, mirrored, step)[..., None]
    ahead = _states(lstm, x, "")
    turned = _states(lstm, x.gather(1, order.expand(-1, -1, x.shape[2])), "_reverse")
    end = (length - 1)[:, None, None].expand(-1, 1, ahead.shape[2])
    last = torch.cat([ahead.gather(1, end), turned.gather(1, end)], 2)[:, 0]
    back = turned.gather(1, order.expand(-1, -1, ahead.shape[2]))
    return torch.cat([ahead, back], 2) * (step < length[:, None])[..., None], last


def _states(lstm: BiLSTM, x: Tensor, side: str) -> Tensor:
    weights = [getattr(lstm, f"{name}_l0{side}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    zero = x.new_zeros(1, x.shape[0], lstm.hidden_size)
    return torch.lstm(x, (zero, zero), weights, True, 1, 0.0, False, False, True)[0]


def load(found: Found) -> Exportable:
    """The network, and questions of the test split."""
    network, about = read_network(found.network, DualVGR)
    blind = about.get("video") == "none"
    features = Features(found.inputs["appearance"], found.inputs["motion"], nothing=blind)
    split = Split(found.inputs["questions"], "test", features)
    vocabulary = Vocabulary.load(found.inputs["questions"])
    clips, frames, width = split.batch(torch.tensor([0])).appearance.shape[1:]
    tokens = split.tokens.shape[1]

    def reference(feed: Feed) -> Feed:
        names = ("appearance", "motion", "question", "length")
        with torch.inference_mode():
            return {"logits": network(*(torch.from_numpy(feed[name]) for name in names)).logits.numpy()}

    return Exportable(
        Exported(network),
        inputs=(
            Port("appearance", "float32", ("batch", clips, frames, width), "features of every frame of every clip"),
            Port("motion", "float32", ("batch", clips, width), "features of every clip"),
            Port("question", "int64", ("batch", tokens), "ids of the words, by the vocabulary; 0 behind the end"),
            Port("length", "int64", ("batch",), "how many words the question has"),
        ),
        outputs=(Port("logits", "float32", ("batch", len(vocabulary.answers)), "of every answer, before the softmax"),),
        rows=[feed for feed, _ in _batches(split, around(len(split), SIZES))],
        reference=reference,
        about={
            "task": "answer a question about a video",
            "vocabulary": dict(vocabulary.questions),
            "answers": vocabulary.answer_words,
            "blind": blind,
            "features": dict(zip(("appearance", "motion"), features.about, strict=True)),
            "how": "features as kdpipe extract (or export-features --dataset) gives them, by the networks and weights under features",
            "build": {"class": "systems.videoqa.model:DualVGR", "arguments": about["arguments"]},
        },
        script="systems.videoqa.standalone",
        measure=Measure("accuracy", lambda run: _accuracy(run, split)),
    )


def _batches(split: Split, lots: Sequence[Sequence[int]]) -> Iterator[tuple[Feed, Any]]:
    """Batches of questions, with the right answers."""
    for rows in lots:
        batch = split.batch(torch.tensor(rows))
        videos: tuple[Tensor, Tensor] = (batch.appearance[batch.video_index], batch.motion[batch.video_index])
        names = ("appearance", "motion", "question", "length")
        given = (*videos, batch.question, batch.length)
        yield {name: np.ascontiguousarray(one.numpy()) for name, one in zip(names, given)}, batch.answer.numpy()


def _accuracy(run: Run, split: Split) -> float:
    lots = _batches(split, in_lots(len(split), LOT))
    return sum(int((run(feed)["logits"].argmax(1) == right).sum()) for feed, right in lots) / len(split)
