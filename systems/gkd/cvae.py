"""The conditional VAE that makes a feature map again from its attention; used in training only (spec 3.4).

A published CVAE has two branches, for maps of 1024 and of 832 channels; here only those exist that are asked for: the unused one of the
recognition teacher alone is 1.1 GB. State names are the published ones: ``cencoder.*``, ``cdecoder.*``, and with ``_832``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.gkd.attention import group_norm
from systems.gkd.whole_frame import FromPoints, ToPoints

#: the published branches: channels -> ending of the parts' names, name of the first convolution
NAMES = {1024: ("", "con1"), 832: ("_832", "con2")}


class Reconstruction(NamedTuple):
    """Mean and log-variance of the posterior, what was drawn from it, each (B, T, C), and the map made of that (B, C, T, k, k)."""

    mean: Tensor
    log_variance: Tensor
    z: Tensor
    features: Tensor


def drawn_like(x: Tensor) -> Tensor:
    """N(0, 1) in the shape of ``x``: the same numbers however ``x`` lies in memory (``randn_like`` fills it in the order of memory)."""
    return torch.randn(x.shape, dtype=x.dtype, device=x.device)


class Encoder(nn.Module):
    """A map (B, C, T, k, k) and its attention (B, C, T) to mean and log-variance, each (B, T, C)."""

    def __init__(self, channels: int, kernel: int, first: str = "con1") -> None:
        super().__init__()
        self.first = first
        window = ToPoints(channels, channels, kernel)
        self.add_module(first, nn.Sequential(window, group_norm(channels), nn.ReLU()))
        self.fc1 = nn.Linear(2 * channels, channels)
        self.fc2 = nn.Linear(channels, channels)
        self.fc3 = nn.Linear(channels, 2 * channels)

    def forward(self, features: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        x = self.get_submodule(self.first)(features).flatten(2)
        x = torch.cat([x, attention], 1).transpose(1, 2)
        mean, log_variance = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x))))).chunk(2, -1)
        return mean, log_variance


class Decoder(nn.Module):
    """A latent (B, T, C) and the attention (B, C, T) to a map (B, C, T, k, k)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2 * channels, channels)
        self.fc2 = nn.Linear(channels, channels)
        self.fc3 = nn.Linear(channels, channels)
        window = FromPoints(channels, channels, kernel)
        self.deconv = nn.Sequential(window, group_norm(channels), nn.ReLU())

    def forward(self, z: Tensor, attention: Tensor) -> Tensor:
        x = torch.cat([z, attention.transpose(1, 2)], -1)
        x = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
        return self.deconv(x.transpose(1, 2)[..., None, None])


class CVAE(nn.Module):
    """``branches``: channels of the published map (1024, 832) -> channels and height k of ours. A map's channels choose the branch.

    T is free. Noise (B, T, C) may be given; otherwise it is drawn from torch's generator, in training and in evaluation.
    """

    def __init__(self, branches: Mapping[int, tuple[int, int]]) -> None:
        super().__init__()
        self.endings: dict[int, str] = {}
        for published, (channels, kernel) in branches.items():
            ending, first = NAMES[published]
            self.endings[channels] = ending
            self.add_module(f"cencoder{ending}", Encoder(channels, kernel, first))
            self.add_module(f"cdecoder{ending}", Decoder(channels, kernel))

    def forward(self, features: Tensor, attention: Tensor, noise: Tensor | None = None) -> Reconstruction:
        """Encode a map (B, C, T, k, k), draw from the posterior, decode."""
        ending = self.endings[features.shape[1]]
        mean, log_variance = self.get_submodule(f"cencoder{ending}")(features, attention)
        noise = drawn_like(mean) if noise is None else noise
        z = mean + noise * torch.exp(0.5 * log_variance)
        return Reconstruction(mean, log_variance, z, self.get_submodule(f"cdecoder{ending}")(z, attention))

    def sample(self, attention: Tensor, noise: Tensor | None = None) -> Tensor:
        """A map (B, C, T, k, k) of the attention (B, C, T) alone: the prior is N(attention, 1)."""
        mean = attention.transpose(1, 2)
        noise = drawn_like(mean) if noise is None else noise
        return self.get_submodule(f"cdecoder{self.endings[attention.shape[1]]}")(noise + mean, attention)
