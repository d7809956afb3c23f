"""What a network sees of a video: a random clip in training, the one in the middle elsewhere (spec 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.training.crops import At
from systems.gkd.recognition.clips import Clips
from systems.gkd.recognition.sampling import picture_numbers
from systems.gkd.recognition.views import Clip, centre_view, network_input, random_view, scale, see


class Look(NamedTuple):
    """``frames`` and ``size`` of a clip, the ``short`` side that pictures are resized to first (0: none), its switches, and ``crops``.

    crops: what crops in training measure, as shares of the short side; none are the published ones.
    """

    frames: int
    size: int
    short: int = 0
    normalise: str = "imagenet"
    flow_scale: str = "whole"
    flow_flip: str = "plain"
    crops: tuple[float, ...] = ()

    @classmethod
    def of(cls, params: Any) -> Look:
        """That of a stage's parameters."""
        switches = {name: params.switch(name) for name in ("normalise", "flow_scale", "flow_flip")}
        return cls(params.frames, params.size, params.short, **switches, crops=params.crops)

    @classmethod
    def of_trained(cls, about: Mapping[str, Any]) -> Look:
        """That of a trained network, by its ``model.json``."""
        return cls(**about["look"])

    def drawn(self, clips: Clips, id: str, at: At) -> npt.NDArray[np.float32]:
        """A random clip, cropped and mirrored at random: (C, T, S, S)."""
        clip = self._clip(clips, id, at)
        height, width, channels = clip.shape[1:]
        view = random_view(at, height, width, channels, self.size, self.crops)
        return network_input(see(clip, view, self.size, flow_flip=self.flow_flip), self.normalise)

    def middle(self, clips: Clips, id: str) -> npt.NDArray[np.float32]:
        """The middle of the clip in the middle: (C, T, S, S)."""
        clip = self._clip(clips, id, None)
        return network_input(see(clip, centre_view(*clip.shape[1:3], self.size), self.size), self.normalise)

    def _clip(self, clips: Clips, id: str, at: At | None) -> Clip:
        half = self.flow_scale == "half" and clips.modality == "flow"  # counts the pictures of a clip, so it comes after the choice
        pictures = clips(id, 0 if half else self.short)
        clip = pictures.take(picture_numbers(pictures.count, self.frames, at))
        return scale(clip, self.short, flow_scale="half") if half and self.short else clip
