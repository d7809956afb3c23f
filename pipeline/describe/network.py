"""The frozen network that describes pictures: any of the image networks of models/backbones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from cache.digest import digest_file
from cache.errors import ConfigError
from models.backbones.published import load_into, read_state
from models.backbones.registry import build, find, options_of
from models.weights import IMAGENET_MEAN, IMAGENET_STD, check, of_backbone

#: pictures that go through the network at once: fixed, since another number could change the last bits
AT_ONCE = 16


class Describer:
    """Pictures (T, S, S, 3) uint8 -> features (T, V) float32. ``size`` is S, ``width`` V, ``weights`` the digest of its weights.

    ``file``: weights of the network under any names that ``kdpipe weights`` knows; None: those shipped with it, or ConfigError.
    """

    def __init__(self, backbone: str, file: Path | None = None) -> None:
        entry = find(backbone, "appearance")
        self.name, self.size, self.width = entry.name, entry.image_size, entry.width
        mean, std = IMAGENET_MEAN, IMAGENET_STD
        if file is None:
            shipped = [weights for weights in of_backbone(entry.name) if weights.shipped]
            if not shipped:
                hint = "--weights-file PATH; kdpipe weights says where to fetch them"
                raise ConfigError(f"no weights are shipped for {entry.name}", hint=hint)
            file, mean, std = check(shipped[0], shipped[0].path), shipped[0].mean, shipped[0].std
        self.weights = digest_file(file)
        state = read_state(file)
        net = load_into(build(entry.name, **options_of(entry.name, state)), state, file.name)
        self._feature = net.requires_grad_(False).eval().feature
        self._mean, self._std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))

    @torch.inference_mode()
    def __call__(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        rows = [self._part(pictures[start : start + AT_ONCE]) for start in range(0, len(pictures), AT_ONCE)]
        return np.concatenate(rows) if rows else np.zeros((0, self.width), np.float32)

    def _part(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(255).sub_(self._mean).div_(self._std)
        features: npt.NDArray[np.float32] = self._feature(x).numpy()
        return features
