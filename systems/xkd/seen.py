"""What networks see of a recording: random views in pre-training and training, fixed clips in tests (spec 2.2, 2.5, 2.6, 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.crops import At
from systems.xkd import audio_views, clips, finetune_views, video_views
from systems.xkd.recordings import Recording
from systems.xkd.sizes import ViewSizes
from systems.xkd.windows import dense_starts

View = npt.NDArray[np.float32]
#: the crop in the middle of the three of a test clip
MIDDLE = 1


@dataclass(frozen=True)
class Look:
    """How large views are, and the switches of them (:mod:`systems.xkd.switches`)."""

    sizes: ViewSizes
    switches: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_trained(cls, about: Mapping[str, Any]) -> Look:
        """That of a trained network, by its ``model.json``."""
        return cls(ViewSizes(**about["views"]))

    def window(self, recording: Recording, at: At) -> clips.Clip:
        """A random clip with the sound of the same time. What is too short begins again with its first frames, and ends in silence."""
        found = clips.training_clip(clips.File(recording.frames, 0.0, recording.samples, 0.0), at, self.sizes)
        return found._replace(frames=video_views.padded(found.frames, self.sizes.frames)) if len(found.frames) else found

    def pretraining(self, recording: Recording, at: At, local_video: int, local_audio: int) -> tuple[list[View], list[View]]:
        """Views [global, local, ...] of a random clip: video (3, T, S, S), audio (1, bands, columns)."""
        local = local_video, local_audio
        views = clips.training_views(self.window(recording, at), at, self.sizes, local, self.switches["blur"])
        return views.video, [view.numpy() for view in views.audio]

    def training(self, recording: Recording, at: At, modality: str) -> View:
        """A random clip of an SVM or a linear head: (3, T, S, S) or (1, bands, columns); of both modalities at the same time."""
        clip = self.window(recording, at)
        if modality == "video":
            return video_views.svm_train_view(clip.frames, at._replace(view=clips.GLOBAL_VIDEO), self.sizes)
        return audio_views.svm_view(clip.samples, at._replace(view=clips.GLOBAL_AUDIO), self.sizes).numpy()

    def finetuning(self, recording: Recording, at: At, modality: str) -> View:
        """A random clip of fine-tuning: (3, T, S, S) or (1, bands, columns)."""
        sizes, clip = self.sizes, self.window(recording, at)
        if modality == "video":
            return finetune_views.finetune_view(clip.frames, at._replace(view=clips.GLOBAL_VIDEO), sizes.frames, sizes.size)
        return audio_views.finetune_view(clip.samples, at._replace(view=clips.GLOBAL_AUDIO), sizes).numpy()

    def test(self, recording: Recording, count: int, crops: int, modality: str, protocol: str = "linear") -> View:
        """Fixed clips of a whole file: (count · crops, 3, T, S, S), the crops of a clip together, or (count, 1, bands, columns).

        ``crops`` is 3, or 1 for the one in the middle. ``protocol``: see :func:`systems.xkd.video_views.test_view`.
        """
        sizes = self.sizes
        if modality == "audio":
            samples = recording.samples
            return audio_views.test_views(samples, count, sizes, self.switches.get("audio_dense", "windows")).numpy()
        where = self.switches.get("test_crops", "spread")
        if crops == 1:
            return self._middle(recording, count, protocol)
        return video_views.test_view(recording.frames, sizes, count, protocol, where)

    def _middle(self, recording: Recording, count: int, protocol: str) -> View:
        sizes = self.sizes
        frames = video_views.padded(recording.frames, max(len(recording.frames), sizes.frames))
        if protocol == "linear":
            view = video_views.linear_crops(frames, sizes.size, "same")[MIDDLE]
        else:
            view = video_views.finetune_crops(frames, sizes.size)[MIDDLE]
        return np.stack([view[:, first : first + sizes.frames] for first in dense_starts(len(frames), sizes.frames, count)])
