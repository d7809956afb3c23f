"""Pictures of sounds: time to the right, pitch upwards, loudness as colour.

They are made for the eye: 64 bands on O'Shaughnessy's mel scale, 2595 log10(1 + f / 700), from 0 Hz to half the rate, the 80 dB below the
loudest moment. What networks hear has bands and columns of its own.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.evaluation.record import Sort
from stages.report.html.finished import Sampled
from stages.report.html.gather import Asked
from stages.report.html.previews import first_met, kept

Floats = npt.NDArray[np.floating]
#: columns of a picture, bands, pixels that a band is high, samples of a column, decibels from black to the brightest
COLUMNS, BANDS, HIGH, WINDOW, RANGE = 360, 64, 2, 1024, 80.0
#: colours from silent to loud
RAMP = ((13, 17, 33), (60, 32, 110), (172, 48, 96), (240, 128, 48), (252, 240, 170))
#: Part of every name: raise it when other pictures are made of the same sounds.
FORM = 1


def write(folder: Path, old: Path, asked: Asked, sound: Sampled, sorts: Sequence[Sort], most: int) -> dict[str, str]:
    """Make pictures of the sound of ``most`` files at the most, as :func:`stages.report.html.previews.write` does of frames."""

    def named(video: str) -> str | None:
        if video not in sound.rows:
            return None
        return hashlib.sha256(f"sound {FORM} {sound.rows[video][1]}".encode()).hexdigest()[:32] + ".png"

    def made(video: str) -> bytes:
        from media.frames import read_payload
        from media.waveform import decode_waveform

        wave = decode_waveform(read_payload(sound.items, *sound.rows[video]))
        return picture(wave.floats(), wave.rate)

    return kept(folder, old, first_met(asked, sorts), most, named, made)


def picture(samples: Floats, rate: int) -> bytes:
    """The PNG of samples (N,) in -1..1: ``COLUMNS`` wide whatever their length, so that long sounds are seen at even moments."""
    from PIL import Image

    level = levels(samples, rate)
    pixels = np.repeat(np.round(255 * level).astype(np.uint8)[::-1], HIGH, axis=0)
    image = Image.fromarray(pixels, "L").convert("P")
    places = np.linspace(0, 255, len(RAMP))
    image.putpalette(np.stack([np.interp(np.arange(256), places, own) for own in zip(*RAMP)], 1).round().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def levels(samples: Floats, rate: int) -> npt.NDArray[np.float64]:
    """Loudness (``BANDS``, ``COLUMNS``) in 0..1, the lowest band first; all 0 where there is nothing to hear."""
    padded = np.pad(samples, (WINDOW // 2, WINDOW)).astype(np.float64)
    begins = np.linspace(0, max(0, len(samples) - 1), COLUMNS).astype(np.int64)
    spectrum = np.abs(np.fft.rfft(padded[begins[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW), axis=1)) ** 2
    decibels = 10 * np.log10(spectrum @ bank(rate).T + 1e-10).T
    if decibels.max() <= -RANGE:
        return np.zeros_like(decibels)
    level: npt.NDArray[np.float64] = np.clip((decibels - decibels.max()) / RANGE + 1, 0, 1)
    return level


def bank(rate: int) -> npt.NDArray[np.float64]:
    """Triangles over the lines of a spectrum (``BANDS``, WINDOW // 2 + 1), evenly spaced in mels, each of sum 1."""
    lines = np.arange(WINDOW // 2 + 1) * rate / WINDOW
    mels = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), BANDS + 2)
    corners = 700 * (10 ** (mels / 2595) - 1)
    low, middle, high = (corners[start : start + BANDS, None] for start in range(3))
    step = rate / WINDOW  # a triangle narrower than the distance of two lines would hold none
    rising, falling = (lines - low) / np.maximum(middle - low, step), (high - lines) / np.maximum(high - middle, step)
    found = np.maximum(0, np.minimum(rising, falling))
    sums = found.sum(1, keepdims=True)
    nearest = np.abs(lines - middle).argmin(1)
    found[np.arange(BANDS), nearest] += sums[:, 0] == 0
    made: npt.NDArray[np.float64] = found / found.sum(1, keepdims=True)
    return made
