"""The kinds of features: what a network looks at, and what comes out of it. A new kind is a line here,
and its name one in the declaration of ``extract``; nothing of torch is imported.

A video has C clips of F frames, and a feature V numbers. A kind that looks at frames has one feature for each place of a clip, (C, F, V);
one that looks at clips has one for each clip, (C, V).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of features.

    clips:    the network takes clips (3-D), not single frames (2-D).
    array:    name of the features in HDF5 files; the published one, where there is one.
    backbone: the network where none is named.
    inputs:   how pixels may become network input (:mod:`models.backbones.inputs`); the first is the default.
    channels: of the frames: 3, RGB; 2, optical flow (x, y).
    """

    name: str
    clips: bool
    array: str
    backbone: str
    inputs: tuple[str, ...]
    channels: int = 3

    @property
    def axes(self) -> tuple[str, ...]:
        """What the axes of a video's features are."""
        return ("clips", "width") if self.clips else ("clips", "frames", "width")


_ALL = (
    Kind("appearance", False, "resnet_features", "small2d", ("paper", "imagenet", "symmetric")),
    Kind("motion", True, "resnext_features", "small3d", ("raw255", "mean_subtract", "kinetics2020", "symmetric")),
    Kind("flow", True, "flow_features", "i3d_flow", ("symmetric",), channels=2),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
#: every way to make network input, each once
INPUTS = tuple(dict.fromkeys(name for kind in _ALL for name in kind.inputs))
