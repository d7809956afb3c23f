"""Log-mel spectrograms as librosa 0.8.1 makes them, of which the published audio networks learned (spec 2.6).

Everything that libraries differ in is stated: a periodic Hann window, centred frames, edges mirrored, power, mel scale and area
normalisation of Slaney's toolbox, natural logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

#: added to every power and to every band, so that silence has a logarithm: the precisions of float64 and float32
POWER_FLOOR, BAND_FLOOR = 2.220446e-16, 1.1920929e-07
#: mean and deviation of Kinetics-Sound, which the published networks use for every dataset
MEAN, DEVIATION = -5.3688107, 4.410007
#: Slaney's scale: linear up to 1 kHz, 15 bands there; then logarithmic, a factor of 6.4 in 27 bands
BREAK_HZ, BREAK_MEL, LOG_STEP = 1000.0, 15.0, math.log(6.4) / 27


@dataclass(frozen=True)
class LogMel:
    """``rate`` in Hz, ``window`` samples of each column, one every ``hop`` samples, ``bands`` from 0 Hz to half the rate."""

    rate: int = 16_000
    window: int = 1024
    hop: int = 143
    bands: int = 80


def log_mel(samples: Tensor, how: LogMel = LogMel()) -> Tensor:
    """Samples (..., N) float32 in -1..1 to (..., bands, 1 + N // hop).

    Raises ValueError for half a window or less: the edges could not be mirrored.
    """
    if samples.shape[-1] <= how.window // 2:
        raise ValueError(f"{samples.shape[-1]} samples are too few for a window of {how.window}")
    flat = samples.reshape(-1, samples.shape[-1])
    hann = torch.hann_window(how.window, periodic=True, dtype=samples.dtype, device=samples.device)
    spectrum = torch.stft(flat, how.window, how.hop, window=hann, center=True, pad_mode="reflect", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square() + POWER_FLOOR
    mel = torch.from_numpy(mel_bank(how)).to(samples) @ power
    return mel.add_(BAND_FLOOR).log_().reshape(*samples.shape[:-1], how.bands, -1)


def normalise(spectrogram: Tensor, mean: float = MEAN, deviation: float = DEVIATION) -> Tensor:
    """What a network sees: minus the mean, by the deviation."""
    return (spectrogram - mean) / deviation


@lru_cache(maxsize=8)
def mel_bank(how: LogMel = LogMel()) -> npt.NDArray[np.float32]:
    """Triangles over the spectrum (bands, window // 2 + 1), each of area 1 in Hz."""
    lines = np.arange(how.window // 2 + 1) * how.rate / how.window
    corners = hertz(np.linspace(0.0, float(mels(np.array(how.rate / 2))), how.bands + 2))
    widths = np.diff(corners)
    rising = (lines - corners[:-2, None]) / widths[:-1, None]
    falling = (corners[2:, None] - lines) / widths[1:, None]
    area = 2.0 / (corners[2:] - corners[:-2])
    return (np.maximum(0.0, np.minimum(rising, falling)) * area[:, None]).astype(np.float32)


def mels(frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Hz to Slaney's mels."""
    high = np.maximum(frequencies, BREAK_HZ)
    return np.where(frequencies < BREAK_HZ, frequencies * BREAK_MEL / BREAK_HZ, BREAK_MEL + np.log(high / BREAK_HZ) / LOG_STEP)


def hertz(bands: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's mels to Hz."""
    return np.where(bands < BREAK_MEL, bands * BREAK_HZ / BREAK_MEL, BREAK_HZ * np.exp(LOG_STEP * (bands - BREAK_MEL)))
