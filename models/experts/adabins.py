"""AdaBins: depth of one picture by bins that adapt to it (Bhat, Alhashim and Wonka, CVPR 2021), as a network and as its published files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cache.errors import DataError
from models.backbones.published import KEYS, State, load_into, read_raw
from models.experts.adabins_decoder import Decoder
from models.experts.adabins_head import BinsHead
from models.experts.efficientnet_b5 import EfficientNetB5

#: entry whose first dimension is the number of bins
BINS_ENTRY = "conv_out.0.weight"
#: beginnings of names in older files -> ours
OLD_NAMES = {
    "adaptive_bins_layer.embedding_conv.": "adaptive_bins_layer.conv3x3.",
    "adaptive_bins_layer.patch_transformer.embedding_encoder": "adaptive_bins_layer.patch_transformer.embedding_convPxP",
}


class Encoder(nn.Module):
    """The encoder under its name in the files."""

    def __init__(self) -> None:
        super().__init__()
        self.original_model = EfficientNetB5()

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.original_model(x)  # type: ignore[no-any-return]


class AdaBins(nn.Module):
    """Pictures (B, 3, H, W), normalised as ImageNet's -> edges of the bins (B, bins + 1) and depth (B, 1, ceil(H/2), ceil(W/2)) in metres.

    ``nearest`` and ``farthest`` are the ends of the range in metres. The picture must give 129 to 500 patches of 32 x 32.
    """

    def __init__(self, bins: int = 256, nearest: float = 1e-3, farthest: float = 10.0, norm: str = "linear") -> None:
        super().__init__()
        self.nearest, self.farthest = nearest, farthest
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.adaptive_bins_layer = BinsHead(bins=bins, norm=norm)
        self.conv_out = nn.Sequential(nn.Conv2d(128, bins, 1), nn.Softmax(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        widths, attention = self.adaptive_bins_layer(self.decoder(self.encoder(x)))
        edges = bin_edges(widths, self.nearest, self.farthest)
        return edges, torch.einsum("bkhw,bk->bhw", self.conv_out(attention).float(), centres(edges))[:, None]

    def depth(self, x: Tensor) -> Tensor:
        """Depth alone (B, 1, ceil(H/2), ceil(W/2))."""
        return self(x)[1]  # type: ignore[no-any-return]


def bin_edges(widths: Tensor, nearest: float, farthest: float) -> Tensor:
    """Shares of the range (B, bins) -> edges (B, bins + 1) in metres, float32: they are sums of many small numbers."""
    metres = widths.float() * (farthest - nearest)
    first = torch.full_like(metres[:, :1], nearest)
    return torch.cat([first, metres], 1).cumsum(1)


def centres(edges: Tensor) -> Tensor:
    """The middle of every bin: (B, bins + 1) -> (B, bins)."""
    return 0.5 * (edges[:, :-1] + edges[:, 1:])


def read_adabins(path: Path, nearest: float, farthest: float) -> AdaBins:
    """The network of a published file, or of one that its trainer wrote, with as many bins as the file has; in evaluation mode.

    The optimizer's state in the file is ignored. Raises DataError for a file that is another network's, or damaged.
    """
    state = renamed(read_raw(path, keys=("model", *KEYS)).entries)
    if BINS_ENTRY not in state:
        raise DataError(
            f"{path} holds no AdaBins network: it has no {BINS_ENTRY}", hint="AdaBins_nyu.pt and AdaBins_kitti.pt are such files"
        )
    net = AdaBins(len(state[BINS_ENTRY]), nearest, farthest)
    load_into(net, state, path.name)
    return net.eval()


def renamed(entries: Mapping[str, Tensor]) -> State:
    """Entries of a file under our names: ``module.`` taken out wherever it stands, and what older versions called otherwise."""
    state = {}
    for name, value in entries.items():
        name = name.replace("module.", "")
        for old, new in OLD_NAMES.items():
            name = name.replace(old, new)
        state[name] = value
    return state
