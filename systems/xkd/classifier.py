"""Heads and networks of the downstream tasks (spec 10.4 to 10.6)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from systems.xkd.encoder import Encoder, pooled


class Classifier(nn.Module):
    """Features (B, D) to logits (B, classes): L2 norm, batch norm and dropout, where asked for, then a linear layer.

    ``start`` is ``orthogonal`` (video) or ``normal``, N(0, 0.01) (audio); the bias starts at 0.
    """

    def __init__(
        self, dim: int, classes: int, *, l2_norm: bool = False, batch_norm: bool = False, dropout: float = 0.0, start: str = "orthogonal"
    ) -> None:
        super().__init__()
        self.l2_norm = l2_norm
        self.bn = nn.BatchNorm1d(dim) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(dim, classes)
        if start == "orthogonal":
            nn.init.orthogonal_(self.classifier.weight)
        else:
            nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.normalize(x, dim=-1) if self.l2_norm else x
        logits: Tensor = self.classifier(self.dropout(self.bn(x)))
        return logits


class Finetuned(nn.Module):
    """An encoder and a head: (B, ...) to logits (B, classes). ``feature`` is ``pool`` (the mean of the patches) or ``cls``."""

    def __init__(self, backbone: Encoder, head: Classifier, feature: str = "pool") -> None:
        super().__init__()
        self.backbone, self.head, self.feature = backbone, head, feature

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.backbone(x)
        logits: Tensor = self.head(pooled(tokens) if self.feature == "pool" else tokens[:, 0])
        return logits
