"""How the question weighs the video: word attention and query punishment (spec 5.3, steps 1 and 2).

Symbols: B batch, T tokens, C clips, w = word_dim, d = module_dim.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cache.errors import one_of

WordSoftmax = Literal["paper", "fixed"]
EPSILON = 1e-5


class WordAttention(nn.Module):
    """p = sum over words of s_t W_t, with s from the word states.

    ``word_softmax``: ``"paper"`` takes the softmax over all T positions, padding included, then masks and divides by
    (sum + 1e-5); ``"fixed"`` masks before the softmax.
    """

    def __init__(self, module_dim: int, *, word_softmax: WordSoftmax = "paper") -> None:
        super().__init__()
        one_of("word_softmax", word_softmax, ("paper", "fixed"))
        self.word_softmax = word_softmax
        self.feat_enhance = nn.Linear(module_dim, module_dim)
        self.fc = nn.Linear(module_dim, 1)

    def forward(self, words: Tensor, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return p (B,w) and the attention (B,T) from ``words`` (B,T,w), ``states`` (B,T,d), ``lengths`` (B,)."""
        scores = self.fc(F.normalize(self.feat_enhance(states), dim=-1)).squeeze(-1)
        present = torch.arange(words.shape[1], device=words.device) < lengths.to(words.device)[:, None]
        if self.word_softmax == "fixed":
            attention = torch.softmax(scores.masked_fill(~present, float("-inf")), dim=1)
        else:
            masked = torch.softmax(scores, dim=1) * present
            attention = masked / (masked.sum(1, keepdim=True) + EPSILON)
        return torch.bmm(attention[:, None], words).squeeze(1), attention


class QueryPunishment(nn.Module):
    """Gate g = sigmoid(<clip feature, Linear(p)>) of every clip."""

    def __init__(self, word_dim: int, module_dim: int) -> None:
        super().__init__()
        self.query_weight = nn.Linear(word_dim, module_dim)

    def forward(self, guide: Tensor, clips: Tensor) -> Tensor:
        """Return the gates (B,C) for ``guide`` p (B,w) and ``clips`` (B,C,d).

        The original repeats each gate over d/4 equal columns; here one number per clip is enough.
        """
        return torch.sigmoid(torch.bmm(clips, self.query_weight(guide)[:, :, None]).squeeze(-1))
