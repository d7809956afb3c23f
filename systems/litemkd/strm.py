"""Parts of STRM (Thatipelli et al., CVPR 2022): patches and frames enriched by one another, and a head over patches (spec C.6).

State names are the published ones (``Bot_MLP``, ``Tok_MLP``, ``value_conv``, ``clsW`` ...).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from systems.litemkd.grouping import by_class
from systems.litemkd.position import Position
from systems.litemkd.tuples import membership, project_parts


class MLP(nn.Module):
    """Two linear layers, ``inp_fc`` and ``out_fc``, or three with ``hid_fc`` between; ReLU between them."""

    def __init__(self, dim: int, hidden: int, layers: int = 2) -> None:
        super().__init__()
        self.inp_fc = nn.Linear(dim, hidden)
        if layers == 3:
            self.hid_fc = nn.Linear(hidden, hidden)
        self.out_fc = nn.Linear(hidden, dim)
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to (..., dim)."""
        x = torch.relu(self.inp_fc(x))
        if self.layers == 3:
            x = torch.relu(self.hid_fc(x))
        return self.out_fc(x)


class PatchAttention(nn.Module):
    """The patches of a frame attend to one another, without scaling: (B, patches, C) to the same shape."""

    def __init__(self, dim: int, patches: int = 16, dropout: float = 0.1) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.key_proj = nn.Linear(dim, dim)
        self.query_proj = nn.Linear(dim, dim)
        self.value_conv = nn.Linear(dim, dim)
        self.pe = Position(dim, patches * 3 // 2, dropout)
        self.Bot_MLP = MLP(dim, dim // 2, layers=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pe(x)
        attention = (self.query_proj(x) @ self.key_proj(x).transpose(-1, -2)).softmax(-1)
        y = self.gamma * (attention @ self.value_conv(x)) + x
        return y + self.Bot_MLP(y)


class FrameMixer(nn.Module):
    """Mixes the frames of a clip, then the channels of each: (N, T, D) to the same shape."""

    def __init__(self, dim: int, frames: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.pe = Position(dim, frames * 3 // 2, dropout)
        self.Tok_MLP = MLP(frames, frames)
        self.Bot_MLP = MLP(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pe(x)
        x = x + self.Tok_MLP(x.transpose(1, 2)).transpose(1, 2)
        return x + self.Bot_MLP(x)


class PatchDistance(nn.Module):
    """A head over the enriched patches: minus the distance of a query's tuples from the class's nearest ones, mean over tuples.

    Tuples are mapped to half the width, with ReLU; the distance is Euclidean.
    """

    members: Tensor

    def __init__(self, in_dim: int = 2048, cardinality: int = 2, frames: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.dropout = nn.Dropout(dropout)
        self.clsW = nn.Linear(in_dim * cardinality, in_dim // 2)
        self.register_buffer("members", membership(frames, cardinality), persistent=False)

    def prepare(self, clips: Tensor) -> Tensor:
        """(N, T, D) to the mapped tuples of each clip (N, n, D / 2)."""
        parts = project_parts(self.dropout(clips), (self.clsW,), self.cardinality)[0]
        return torch.relu(self.members @ parts)

    @staticmethod
    def compare(support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
        """Logits (Nq, W) of prepared clips."""
        apart = torch.cdist(query.flatten(0, 1), support.flatten(0, 1)).view(*query.shape[:2], *support.shape[:2])
        return -torch.stack([apart[:, :, group].flatten(2).amin(-1).mean(1) for group in by_class(labels, way)], 1)

    def forward(self, support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
        """(Ns, T, D), (Ns,) and (Nq, T, D) to (Nq, W)."""
        return self.compare(self.prepare(support), labels, self.prepare(query), way)
