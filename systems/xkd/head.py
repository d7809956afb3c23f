"""The projection head on pooled features, under the published names (spec 5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class HeadWidth:
    """Widths of the hidden layers, of the bottleneck, and of what comes out."""

    hidden: int = 2048
    bottleneck: int = 256
    out: int = 8192


PUBLISHED = HeadWidth()


class Prototypes(nn.Module):
    """A linear layer without bias whose rows are ``weight_g`` · v / |v|; the gain is 1 and not trained."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out, 1), requires_grad=False)
        self.weight_v = nn.Parameter(nn.Linear(dim, out, bias=False).weight.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_v * (self.weight_g / self.weight_v.norm(dim=1, keepdim=True)))


class Head(nn.Module):
    """(B, dim) to (B, out). The two hidden norms are one module, ``mlp.1`` and ``mlp.4`` (quirk 4)."""

    def __init__(self, dim: int = 768, width: HeadWidth = PUBLISHED) -> None:
        super().__init__()
        norm = nn.LayerNorm(width.hidden)
        self.mlp = nn.Sequential(
            nn.Linear(dim, width.hidden),
            norm,
            nn.GELU(),
            nn.Linear(width.hidden, width.hidden),
            norm,
            nn.GELU(),
            nn.Linear(width.hidden, width.bottleneck),
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last_layer = Prototypes(width.bottleneck, width.out)

    def forward(self, x: Tensor) -> Tensor:
        """Of tokens (B, N, dim), the first is taken."""
        x = x[:, 0] if x.ndim == 3 else x
        found: Tensor = self.last_layer(F.normalize(self.mlp(x), dim=-1))
        return F.layer_norm(found, found.shape[-1:])
