"""What an encoder sees of a clip or of a spectrogram: a grid of patches, each a row of numbers (spec 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from systems.xkd import position

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Video:
    """Clips (B, channels, T, H, W) in cuboids of ``depth`` frames x ``patch`` x ``patch`` pixels; the table is for frames x size x size."""

    frames: int = 32
    size: int = 112
    depth: int = 4
    patch: int = 16
    channels: int = 3

    #: what the published states call the projection
    embedding = "cuboid_embed"

    @property
    def tokens(self) -> int:
        return math.prod(self.grid((self.channels, self.frames, self.size, self.size)))

    @property
    def values(self) -> int:
        return self.depth * self.patch**2 * self.channels

    def grid(self, shape: Shape) -> Shape:
        """Cuboids (t, h, w) of an input (..., T, H, W)."""
        return shape[-3] // self.depth, shape[-2] // self.patch, shape[-1] // self.patch

    def patches(self, clips: Tensor) -> Tensor:
        """(B, N, values): cuboids in the order t, h, w, w fastest; inside, frame, row, column, channel."""
        t, h, w = self.grid(clips.shape)
        parts = clips.reshape(len(clips), self.channels, t, self.depth, h, self.patch, w, self.patch)
        return parts.permute(0, 2, 4, 6, 3, 5, 7, 1).reshape(len(clips), t * h * w, self.values)

    def positions(self, table: Tensor, shape: Shape) -> Tensor:
        """The table (1, 1 + tokens, D), interpolated for an input of another ``shape``."""
        grid = self.grid(shape)
        if math.prod(grid) == table.shape[1] - 1 and shape[-2] == shape[-1]:
            return table
        return position.video(table, self.frames // self.depth, grid)


@dataclass(frozen=True)
class Audio:
    """Log-mel spectrograms (B, 1, ``bands``, T) in patches of ``rows`` bands x ``columns`` frames; the table is for ``width`` frames."""

    bands: int = 80
    width: int = 448
    rows: int = 4
    columns: int = 16

    embedding = "patch_embed"

    @property
    def tokens(self) -> int:
        return math.prod(self.grid((self.bands, self.width)))

    @property
    def values(self) -> int:
        return self.rows * self.columns

    def grid(self, shape: Shape) -> Shape:
        """Patches (bands, time) of an input (..., bands, T)."""
        return shape[-2] // self.rows, shape[-1] // self.columns

    def patches(self, spectrograms: Tensor) -> Tensor:
        """(B, N, values): patches in the order band, time, time fastest; inside, band, frame."""
        f, t = self.grid(spectrograms.shape)
        parts = spectrograms.reshape(len(spectrograms), f, self.rows, t, self.columns)
        return parts.permute(0, 1, 3, 2, 4).reshape(len(spectrograms), f * t, self.values)

    def positions(self, table: Tensor, shape: Shape) -> Tensor:
        """The table (1, 1 + tokens, D), interpolated along time for an input of another width. Raises ValueError for other bands."""
        if shape[-2] != self.bands:
            raise ValueError(f"the encoder is for {self.bands} bands, the input has {shape[-2]}")
        grid = self.grid(shape)
        if math.prod(grid) == table.shape[1] - 1:
            return table
        return position.audio(table, self.bands // self.rows, grid)


Geometry = Video | Audio
#: the published inputs: clips of 4 s at 8 frames a second; log-mels of 4 s at 112 frames a second
VIDEO, AUDIO = Video(), Audio()
