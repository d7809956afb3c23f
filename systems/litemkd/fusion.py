"""The blocks that fuse modalities frame by frame (spec C.5).

    fuse(x_1, ..., x_m) = dropout(F1(Enc([PE_1(x_1); ...; PE_m(x_m)]))),    PE_k(x) = dropout(LN(x + E_k))

Enc is a standard post-norm transformer encoder of width m D over the frames. State names are the published ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: modalities of a block -> attention heads, as published
HEADS = {2: 2, 3: 3, 4: 2}


class LearnedPosition(nn.Module):
    """Adds a learned vector to every frame, normalises, drops out: (N, T, D) to the same shape."""

    def __init__(self, dim: int, frames: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(frames, dim)
        self.LayerNorm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.LayerNorm(x + self.position_embeddings.weight[: x.shape[1]]))


class Fusion(nn.Module):
    """``count`` modalities, each (N, T, D), to one feature (N, T, D)."""

    def __init__(
        self, count: int, dim: int = 2048, layers: int = 2, frames: int = 8, dropout: float = 0.1, feedforward: int = 2048
    ) -> None:
        super().__init__()
        self.count = count
        for number in range(1, count + 1):
            self.add_module(f"positionEncoding{number}", LearnedPosition(dim, frames, dropout))
        layer = nn.TransformerEncoderLayer(count * dim, HEADS[count], feedforward, dropout, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.f1 = nn.Linear(count * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, *modalities: Tensor) -> Tensor:
        placed = [self.get_submodule(f"positionEncoding{number}")(x) for number, x in enumerate(modalities, 1)]
        return self.dropout(self.f1(self.transformer_encoder(torch.cat(placed, -1))))
