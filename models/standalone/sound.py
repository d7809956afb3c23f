"""The sound of a file."""

from __future__ import annotations

from typing import Any

import av
import numpy as np


def heard(path: str, rate: int) -> Any:
    """The samples of a file as one channel, float32 in -1..1; empty without sound."""
    with av.open(path) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)] + resampler.resample(None)
    return np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(np.float32) / 32768


def log_mel(samples: Any, bank: Any, sound: Any) -> Any:
    """The normalised log-mel spectrogram of samples: (bands, columns)."""
    window, hop = sound["window"], sound["hop"]
    whole = np.pad(samples, window // 2, mode="reflect")
    columns = np.lib.stride_tricks.sliding_window_view(whole, window)[::hop]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    power = np.abs(np.fft.rfft(columns * hann, axis=1)) ** 2 + 2.220446e-16
    return ((np.log(bank @ power.T + 1.1920929e-07) - sound["mean"]) / sound["std"]).astype(np.float32)
