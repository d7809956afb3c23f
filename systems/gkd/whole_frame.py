"""Convolutions with a window over all of a frame, maps (B, C, T, k, k) to points (B, outputs, T, 1, 1), and back from points to maps.

They are products of matrices, with a row for every step of time, and are computed as such: on a CPU PyTorch's convolutions lay the weights
out anew at every call, 60 to 200 MB as published, and take several times as long. State and numbers are those of the convolutions.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.training.products import linear


class ToPoints(nn.Conv3d):
    """Maps to points. A map that is larger than the window is convolved."""

    def __init__(self, channels: int, outputs: int, size: int) -> None:
        super().__init__(channels, outputs, (1, size, size))

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[3:] != self.weight.shape[3:]:
            return super().forward(input)
        rows = input.transpose(1, 2).flatten(2)  # (B, T, C k k)
        return linear(rows, self.weight.flatten(1), self.bias).transpose(1, 2)[..., None, None]


class FromPoints(nn.ConvTranspose3d):
    """Points to maps. A map that is given for points is convolved."""

    def __init__(self, channels: int, outputs: int, size: int) -> None:
        super().__init__(channels, outputs, (1, size, size))

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if input.shape[3:] != (1, 1) or output_size is not None:
            return super().forward(input, output_size)
        rows = linear(input[..., 0, 0].transpose(1, 2), self.weight.flatten(1).t())  # (B, T, outputs k k)
        maps = rows.unflatten(2, self.weight.shape[1:2] + self.weight.shape[3:]).transpose(1, 2)
        assert self.bias is not None
        return maps + self.bias[:, None, None, None]
