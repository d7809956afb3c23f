"""What the published code does and nobody would do on purpose, and the recipes, as plain data (spec 7, 8, 10, 14).

``fixed`` is our default unless a recipe says otherwise; ``released`` brings the published behaviour back (docs/systems/xkd.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cache.errors import one_of


@dataclass(frozen=True)
class Switch:
    """One quirk by its number in the specification: the value that mends it, the published one, and what it decides."""

    quirk: int
    fixed: str
    released: str
    what: str


SWITCHES: Mapping[str, Switch] = {
    "teacher_view": Switch(1, "global", "index1", "which view teachers see: the whole clip as the paper draws it, or the first local one"),
    "student_tau": Switch(2, "own", "audio", "whose temperature the video student's softmax has; both are 0.1"),
    "mmd": Switch(3, "double", "own", "precision of the alignment loss: float64 with an exact diagonal, or the type of autocast"),
    "blur": Switch(9, "random", "fixed", "sigma of the blur of local views: drawn, or 0.1 across and 2.0 down"),
    "test_crops": Switch(11, "spread", "same", "whether the three crops of strong3crop are of three places or of one"),
    "audio_dense": Switch(11, "windows", "first4s", "where the test clips of a sound lie"),
    "cutmix_axes": Switch(12, "hw", "code", "which axes of a batch CutMix cuts: height and width, or time and height"),
    "selection": Switch(13, "validation", "test", "how an SVM's cost is chosen: on a part of the training files, or on the test set"),
}


def switches(which: str) -> dict[str, str]:
    """The value of every switch, ``fixed`` or ``released``."""
    one_of("switches", which, ("fixed", "released"))
    return {name: getattr(switch, which) for name, switch in SWITCHES.items()}


#: what the three variants have in common. Rates are for a batch of 256; ``tau`` pairs are start and end of a ramp over 30 epochs.
PRETRAIN: Mapping[str, Any] = {
    "epochs": 800,
    "batch": 256,
    "lr": 1e-4,
    "lr_final": 0.0,
    "warmup_epochs": 30,
    "weight_decay": 0.3,
    "momentum": 0.997,
    "momentum_final": 1.0,
    "centre_momentum": 0.9,
    "clip": 0.3,
    "tau_epochs": 30,
    "student_tau": 0.1,
    "video_tau": (0.1, 0.1),
    "audio_tau": (0.07, 0.07),
    "video_ratio": 0.85,
    "audio_ratio": 0.80,
    "align": 1.0,
    "distil": 1.0,
    "reconstruct": 5.0,
    "local_video_views": 1,
    "local_audio_views": 1,
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "xkd": PRETRAIN,
    "xkd_mas": {**PRETRAIN, "video_tau": (0.09, 0.11), "audio_tau": (0.04, 0.06), "local_video_views": 3},
    "xkd_mats": PRETRAIN,
}
#: fine-tuning of the video encoder: 32 frames of 224 pixels
VIDEO_FINETUNE: Mapping[str, Any] = {
    "epochs": 100,
    "batch": 96,
    "lr": 5e-4,
    "lr_final": 1e-6,
    "warmup_epochs": 5,
    "weight_decay": 0.05,
    "layer_decay": 0.45,
    "dropout": 0.5,
    "smoothing": 0.1,
    "mixup": 0.6,
    "cutmix": 0.5,
}
AUDIO_FINETUNE: Mapping[str, Any] = {
    "epochs": 100,
    "batch": 64,
    "lr": 1e-4,
    "lr_final": 0.0,
    "warmup_epochs": 10,
    "weight_decay": 0.005,
    "layer_decay": 0.65,
}
FINETUNE: Mapping[str, Mapping[str, Any]] = {
    "ucf101": VIDEO_FINETUNE,
    "hmdb51": {**VIDEO_FINETUNE, "lr": 1e-4, "layer_decay": 0.75, "warmup_epochs": 20, "mixup": 1.0, "cutmix": 1.0},
    "kinetics400": VIDEO_FINETUNE,
    "esc50": AUDIO_FINETUNE,
    "fsd50k": {**AUDIO_FINETUNE, "epochs": 30, "batch": 128, "lr_final": 1e-4, "warmup_epochs": 0, "weight_decay": 1e-5},
}
DECADES = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
#: linear SVMs: training clips of a file, test clips of a file, costs
SVM: Mapping[str, Mapping[str, Any]] = {
    "ucf101": {"train_clips": 25, "test_clips": 3, "costs": (1e-3, 1e-2, 0.1, 1.0)},
    "hmdb51": {"train_clips": 25, "test_clips": 3, "costs": (1e-3, 1e-2, 0.1, 1.0)},
    "kinetics400": {"train_clips": 3, "test_clips": 3, "costs": (0.1, 1e-3, 1e-2, 1.0)},
    "esc50": {"train_clips": 100, "test_clips": 3, "costs": DECADES},
    "kinetics-sound": {"train_clips": 20, "test_clips": 2, "costs": DECADES},
}
