"""The sizes of a detection network: one width and one resolution, never another architecture."""

from __future__ import annotations

from dataclasses import dataclass

from models.backbones.i3d import MIXED, OUTPUTS, scaled


def outputs_of(endpoint: str, width: float) -> int:
    """Channels of an inception block: of its four branches together."""
    channels = scaled(MIXED[endpoint], width)
    return sum(channels[i] for i in OUTPUTS)


@dataclass(frozen=True)
class Shape:
    """Sizes; the defaults are the published ones.

    n_classes: with the background, which is class 0.
    channels:  of the input: 3 for RGB, 2 for flow.
    frames:    of a clip. ``crop``: its height and width.
    levels:    of the pyramid: the finest has a step for every four frames.
    width:     channels everywhere, as a share of the published ones.
    """

    n_classes: int = 21
    channels: int = 3
    frames: int = 256
    crop: int = 96
    levels: int = 6
    width: float = 1.0

    @property
    def channels_4f(self) -> int:
        return outputs_of("Mixed_4f", self.width)

    @property
    def channels_5c(self) -> int:
        return outputs_of("Mixed_5c", self.width)

    @property
    def head_channels(self) -> int:
        return scaled((512,), self.width)[0]

    @property
    def size_4f(self) -> int:
        """Height and width of Mixed_4f: four halvings, rounded up."""
        return -(-self.crop // 16)

    @property
    def size_5c(self) -> int:
        """Height and width of Mixed_5c."""
        return -(-self.crop // 32)

    @property
    def steps_4f(self) -> int:
        return self.frames // 4

    @property
    def steps_5c(self) -> int:
        return self.frames // 8
