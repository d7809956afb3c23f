"""Question encoder of DualVGR: word embeddings, word states and one vector per question (spec 5.1).

Symbols: B batch, T tokens, w = word_dim, d = module_dim. Two separate bidirectional LSTMs read the same words: one gives
the states of all words (for the word attention), the other the last state of both directions (the question vector).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cache.errors import DataError
from systems.videoqa.bilstm import BiLSTM, read
from systems.videoqa.dropout import Dropout

EMBEDDING_DROPOUT = 0.15
QUESTION_DROPOUT = 0.18


class EncodedQuestion(NamedTuple):
    """``question`` (B,d) q; ``words`` (B,T,w) W, padding included; ``states`` (B,T,d), zero beyond each length."""

    question: Tensor
    words: Tensor
    states: Tensor


class WordStates(nn.Module):
    """The LSTM whose states of all words are used; a module of its own because the state dict names it ``concatRNN.rnn``."""

    def __init__(self, word_dim: int, module_dim: int) -> None:
        super().__init__()
        self.rnn = BiLSTM(word_dim, module_dim // 2)


class QuestionEncoder(nn.Module):
    """W = tanh(dropout(embedding)); states = BiLSTM_a(W); question = dropout(last states of BiLSTM_b(W))."""

    def __init__(self, vocab_size: int, word_dim: int, module_dim: int, *, dropout: float = 1.0) -> None:
        super().__init__()
        self.encoder_embed = nn.Embedding(vocab_size, word_dim)
        self.concatRNN = WordStates(word_dim, module_dim)
        self.encoder = BiLSTM(word_dim, module_dim // 2)
        self.embedding_dropout = Dropout(EMBEDDING_DROPOUT * dropout)
        self.question_dropout = Dropout(QUESTION_DROPOUT * dropout)

    def forward(self, questions: Tensor, lengths: Tensor) -> EncodedQuestion:
        """Encode ``questions`` (B,T) int64 of ``lengths`` (B,), in any order and on any device.

        Raises DataError for a question without tokens or longer than T.
        """
        lengths = lengths.detach().to("cpu", torch.int64)
        shortest, longest = int(lengths.min()), int(lengths.max())
        if shortest < 1 or longest > questions.shape[1]:
            raise DataError(
                f"question lengths must lie in 1..{questions.shape[1]}, found {shortest}..{longest}",
                hint="encode the questions again: kdpipe questions",
            )
        words = torch.tanh(self.embedding_dropout(self.encoder_embed(questions)))
        per_word, whole = read([self.concatRNN.rnn, self.encoder], words, lengths)
        return EncodedQuestion(self.question_dropout(whole.last), words, per_word.states)
