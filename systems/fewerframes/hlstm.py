"""The hierarchical LSTM of the paper's authors (H-RNN; spec 5.5): one stack reads blocks of frames, another reads the blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cache.errors import ConfigError
from systems.fewerframes.classifiers import attach, classify
from systems.fewerframes.lstm import StackedLSTM
from systems.fewerframes.output import Output


class HLSTM(nn.Module):
    """A video of M frames as ``blocks`` blocks of M / blocks frames; M may differ from call to call.

    Published: teacher 300 frames in 20 blocks, student 30 frames in 5 blocks (fixed there), 1024 cells, 2 layers a level, a mixture
    of 2 experts. The representation is the final state of level 2, [c0,h0,c1,h1].
    """

    def __init__(
        self,
        classes: int,
        *,
        width: int = 1152,
        cells: int = 1024,
        layers: int = 2,
        blocks: int = 20,
        classifier: str = "moe",
        experts: int = 2,
    ) -> None:
        super().__init__()
        self.blocks = blocks
        state = 2 * layers * cells
        self.RNN_L1 = StackedLSTM(width, cells, layers)
        self.RNN_L2 = StackedLSTM(state, cells, layers)
        self.classifier = nn.Module()
        attach(self.classifier, classifier, state, classes, experts)

    def encode(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Frames ``x`` (B,M,D) of which the first ``lengths`` (B,) are real, to the final state (B, 2 layers H)."""
        batch, frames, _ = x.shape
        if frames % self.blocks:
            raise ConfigError(f"{frames} frames do not split into {self.blocks} blocks of equal length")
        each = frames // self.blocks
        lengths = lengths.to(x.device, torch.int64)
        inner = (lengths[:, None] - each * torch.arange(self.blocks, device=x.device)).clamp(0, each)
        states = self.RNN_L1(x.reshape(batch * self.blocks, each, -1), inner.reshape(-1))
        return self.RNN_L2(states.view(batch, self.blocks, -1), (lengths + each - 1) // each)

    def forward(self, x: Tensor, present: Tensor) -> Output:
        """Classify frames ``x`` (B,M,D); ``present`` (B,M) bool must be true for a beginning of every row (a length)."""
        representation = self.encode(x, present.sum(1))
        probabilities, logits = classify(self.classifier, representation)
        return Output(representation, probabilities, logits)
