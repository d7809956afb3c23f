"""How large the views of pre-training are: plain data, without torch (spec 2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewSizes:
    """The global view is ``frames`` frames of ``size`` x ``size`` pixels, and the sound of that time; a local one is shorter and smaller.

    ``rate`` is samples a second; a spectrogram has ``bands`` rows, and a column every ``hop`` samples, each of ``window`` samples.
    """

    frames: int = 32
    fps: float = 8.0
    size: int = 112
    local_frames: int = 8
    local_size: int = 96
    rate: int = 16_000
    window: int = 1024
    hop: int = 143
    bands: int = 80

    @property
    def seconds(self) -> float:
        """How long the global view is."""
        return self.frames / self.fps

    @property
    def samples(self) -> int:
        """Samples of the global view."""
        return int(self.seconds * self.rate)

    @property
    def local_samples(self) -> int:
        """Samples of a local view."""
        return int(self.local_frames / self.fps * self.rate)

    @property
    def columns(self) -> int:
        """Columns of the global view's spectrogram: one more than hops, for windows are centred."""
        return 1 + self.samples // self.hop

    @property
    def local_columns(self) -> int:
        """Columns of a local view's spectrogram."""
        return 1 + self.local_samples // self.hop


#: as published: 4 s at 8 frames a second, 80 x 448; 1 s, 80 x 112
SIZES = ViewSizes()
