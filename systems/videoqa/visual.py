"""Appearance encoder of DualVGR (spec 5.2). The motion encoder is a plain Linear(V, d).

Symbols: U videos, C clips, F frames per clip, V = vision_dim, d = module_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from systems.videoqa.bilstm import BiLSTM
from systems.videoqa.dropout import Dropout

FRAME_DROPOUT = 0.15
CLIP_DROPOUT = 0.18


class AppearanceEncoder(nn.Module):
    """One vector per clip: the last states of a bidirectional LSTM over tanh(dropout(frames of the clip))."""

    def __init__(self, vision_dim: int, module_dim: int, *, dropout: float = 1.0) -> None:
        super().__init__()
        self.encoder = BiLSTM(vision_dim, module_dim // 2)
        self.frame_dropout = Dropout(FRAME_DROPOUT * dropout)
        self.clip_dropout = Dropout(CLIP_DROPOUT * dropout)

    def forward(self, frames: Tensor) -> Tensor:
        """Encode ``frames`` (U,C,F,V) to (U,C,d)."""
        videos, clips = frames.shape[:2]
        last = self.encoder.last(torch.tanh(self.frame_dropout(frames)).flatten(0, 1))
        return self.clip_dropout(last).view(videos, clips, -1)
