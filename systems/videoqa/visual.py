"""Appearance encoder of DualVGR (spec 5.2). The motion encoder is a plain Linear(V, d).

Symbols: U videos, B questions, C clips, F frames per clip, V = vision_dim, d = module_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from systems.videoqa.bilstm import BiLSTM
from systems.videoqa.dropout import LANES, Dropout, dropout

FRAME_DROPOUT = 0.15
CLIP_DROPOUT = 0.18
LOT = 1 << 17
"""Entries of the frames that are worked on at a time: what lies between two operations stays in a processor's cache."""


class AppearanceEncoder(nn.Module):
    """One vector per clip: the last states of a bidirectional LSTM over tanh(dropout(frames of the clip))."""

    def __init__(self, vision_dim: int, module_dim: int, *, dropout: float = 1.0) -> None:
        super().__init__()
        self.encoder = BiLSTM(vision_dim, module_dim // 2)
        self.frame_dropout = Dropout(FRAME_DROPOUT * dropout)
        self.clip_dropout = Dropout(CLIP_DROPOUT * dropout)

    def forward(self, frames: Tensor, index: Tensor | None = None) -> Tensor:
        """Encode ``frames`` (U,C,F,V) to (U,C,d), or ``frames[index]`` to (B,C,d) with ``index`` (B,) int64."""
        rows = frames.shape[0] if index is None else index.shape[0]  # len() would fix the batch of a network that leaves
        last = self.encoder.last(self._steps(frames, index))
        return self.clip_dropout(last).view(rows, frames.shape[1], -1)

    def _steps(self, frames: Tensor, index: Tensor | None) -> Tensor:
        """tanh(dropout(frames[index])) as (F,B*C,V), step by step."""
        if frames.device.type == "cpu" and self.training and not frames.requires_grad:
            return _in_lots(frames, index, self.frame_dropout.p)
        chosen = frames if index is None else frames.index_select(0, index)
        by_time = self.frame_dropout(chosen).flatten(0, 1).transpose(0, 1)
        return by_time.clone(memory_format=torch.contiguous_format).tanh_()


def _in_lots(frames: Tensor, index: Tensor | None, rate: float) -> Tensor:
    """The same with the same masks, without a copy of all frames between two operations."""
    videos, clips = frames.shape[:2]
    index = torch.arange(videos) if index is None else index
    rows = (index[:, None] * clips + torch.arange(clips)).flatten()
    every = frames.flatten(0, 1)
    steps = frames.new_empty(every.shape[1], len(rows), every.shape[2])
    lot = LANES * max(1, LOT // (LANES * every[0].numel()))  # so many that no draw serves two lots
    for start in range(0, len(rows), lot):
        some = dropout(every.index_select(0, rows[start : start + lot]), rate, True)
        torch.tanh(some.transpose(0, 1), out=steps[:, start : start + lot])
    return steps
