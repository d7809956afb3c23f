"""The head of AdaBins ("mini-ViT"; Bhat et al., CVPR 2021): a transformer on patches says how wide the bins of depth are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: as many patches as there are positional encodings
MOST_TOKENS = 500
LAYERS, FEED_FORWARD, HIDDEN = 4, 1024, 256
#: ways to make widths of what the regressor says
NORMS = ("linear", "softmax", "sigmoid")


class PatchTransformer(nn.Module):
    """Map (B, channels, h, w) -> tokens (B, S, width), S = floor(h / patch) * floor(w / patch) in row order, at most 500."""

    def __init__(self, channels: int, patch: int, width: int, heads: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, FEED_FORWARD, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.embedding_convPxP = nn.Conv2d(channels, width, patch, stride=patch)
        self.positional_encodings = nn.Parameter(torch.rand(MOST_TOKENS, width))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embedding_convPxP(x).flatten(2).transpose(1, 2)
        return self.transformer_encoder(tokens + self.positional_encodings[: tokens.size(1)])  # type: ignore[no-any-return]


class BinsHead(nn.Module):
    """Map (B, channels, h, w) -> widths of the bins (B, bins), which sum to one, and attention maps (B, queries, h, w).

    Token 0 becomes the widths; tokens 1 to ``queries`` are kernels, 1x1, on a convolution of the map. ``norm`` is one of :data:`NORMS`.
    The map must have more than ``queries`` patches.
    """

    def __init__(
        self,
        channels: int = 128,
        queries: int = 128,
        patch: int = 16,
        bins: int = 256,
        width: int = 128,
        heads: int = 4,
        norm: str = "linear",
    ) -> None:
        super().__init__()
        self.queries, self.norm = queries, norm
        self.patch_transformer = PatchTransformer(channels, patch, width, heads)
        self.conv3x3 = nn.Conv2d(channels, width, 3, padding=1)
        self.regressor = nn.Sequential(
            nn.Linear(width, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(), nn.Linear(HIDDEN, bins)
        )

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Widths (B, bins) and kernels (B, queries, width)."""
        tokens = self.patch_transformer(x)
        return self.widths(self.regressor(tokens[:, 0])), tokens[:, 1 : self.queries + 1]

    def widths(self, y: Tensor) -> Tensor:
        """What the regressor said as shares of the range of depth."""
        if self.norm == "softmax":
            return torch.softmax(y, 1)
        y = F.relu(y) + 0.1 if self.norm == "linear" else torch.sigmoid(y)
        return y / y.sum(1, keepdim=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        widths, kernels = self.tokens(x)
        return widths, torch.einsum("bqc,bchw->bqhw", kernels, self.conv3x3(x))
