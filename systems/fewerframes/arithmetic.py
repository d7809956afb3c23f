"""From stored bytes to network input: dequantisation and input normalisation (spec 4.1 to 4.3).

Frames are uint8, rgb first, then audio. The order is fixed: dequantise, put 0.0 into padded rows, normalise the padded tensor.
A network trained under one normalisation is useless under another, so a trained network carries its normalisation with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cache.errors import ConfigError, DataError, one_of
from cache.npy import open_npy
from systems.fewerframes.packed import Packed, pack

LOW, HIGH = -2.0, 2.0
#: what dequantisation adds to every value beyond the inverse of the published quantiser: half a step (spec 4.1)
BIAS = (HIGH - LOW) / 512
SQUARED_NORM_FLOOR = 1e-12
#: rows that are normalised at once: few enough to stay in the processor's cache from one operation to the next
CHUNK = 128
NORMALISATIONS = ("whitening", "l2", "none")


def dequantise(codes: Tensor, low: float = LOW, high: float = HIGH) -> Tensor:
    """uint8 codes to float32: ``q (high - low) / 255 + (high - low) / 512 + low``."""
    return codes.to(torch.float32) * ((high - low) / 255.0) + ((high - low) / 512.0 + low)


def reverse_whitening(frames: Tensor, eigenvalues: Tensor) -> Tensor:
    """``(x - 4/512) (sqrt(eig) + 1e-4)`` on the first ``len(eigenvalues)`` columns (rgb), the rest (audio) as it is.

    ``frames`` is (..., D). Audio keeps its bias, and 1e-4 stands outside the root: both as published (spec 4.2, quirk 16).
    """
    width = len(eigenvalues)
    scale = eigenvalues.sqrt() + 1e-4
    return torch.cat([(frames[..., :width] - BIAS) * scale, frames[..., width:]], dim=-1)


def l2(x: Tensor, dim: int = -1) -> Tensor:
    """``x`` divided by ``sqrt(max(sum of squares, 1e-12))`` along ``dim``; what is all zeros stays so."""
    return x * x.square().sum(dim, keepdim=True).clamp_min(SQUARED_NORM_FLOOR).rsqrt()


def load_eigenvalues(path: Path, width: int = 1024) -> npt.NDArray[np.float32]:
    """The first ``width`` eigenvalues of the published PCA, from an ``.npy`` file of shape (n,1) or (n,) with n >= ``width``.

    Raises DataError if the file is missing, no such array, or holds values that cannot be eigenvalues of a covariance.
    """
    hint = "reverse whitening needs eigenvals.npy of the public yt8m_pca archive; without it choose normalisation: l2 or none"
    values = open_npy(path, hint=hint)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) < width:
        raise DataError(f"{path}: eigenvalues of shape {values.shape}, expected ({width},) or more, or ({width},1) or more", hint=hint)
    values = np.array(values[:width], np.float32)  # a copy: the file is mapped, and torch wants memory that may be written
    if not np.isfinite(values).all() or (values < 0).any():
        raise DataError(f"{path}: eigenvalues must be finite and not negative", hint=hint)
    return values


@dataclass(frozen=True)
class Normalisation:
    """How dequantised frames become network input: ``"whitening"`` (reversed, needs ``eigenvalues``), ``"l2"`` or ``"none"``.

    Raises ConfigError for an unknown name, and for whitening without eigenvalues.
    """

    name: str
    eigenvalues: Tensor | None = None

    def __post_init__(self) -> None:
        one_of("normalisation", self.name, NORMALISATIONS)
        if self.name == "whitening" and self.eigenvalues is None:
            raise ConfigError(
                "normalisation: whitening needs the eigenvalues of the PCA", hint="--set eigenvalues=PATH, or normalisation: l2"
            )

    def __call__(self, frames: Tensor) -> Tensor:
        """Normalise frames (..., D) that are dequantised and padded with 0.0."""
        if self.name == "l2":
            return l2(frames)
        if self.name == "none":
            return frames
        assert self.eigenvalues is not None
        return reverse_whitening(frames, self.eigenvalues.to(frames.device))

    def network_input(self, codes: Tensor, present: Tensor) -> Tensor:
        """uint8 ``codes`` (B,M,D) and ``present`` (B,M) bool to float32 (B,M,D): what a network is fed.

        Padded rows are 0.0 before the normalisation, whatever their codes are. Codes that are floats (means of video-level
        records) are dequantised already.
        """
        return self(self._frames(codes).masked_fill_(~present[..., None], 0.0))

    def packed_input(self, codes: Tensor, present: Tensor) -> Packed:
        """The same without the padded rows; padding is what a row of 0.0 becomes."""
        packed = pack(codes, present, torch.zeros(codes.shape[-1], device=codes.device))
        rows = torch.empty(packed.rows.shape, device=codes.device)
        size = CHUNK if codes.device.type == "cpu" else max(1, len(rows))
        for into, part in zip(rows.split(size), packed.rows.split(size)):
            into.copy_(self(self._frames(part)))
        return packed._replace(rows=rows, padding=self(packed.padding))

    @staticmethod
    def _frames(codes: Tensor) -> Tensor:
        return codes.to(torch.float32, copy=True) if codes.is_floating_point() else dequantise(codes)
