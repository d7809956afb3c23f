"""What sounds are made of, at any rate: noise between two frequencies, strokes that die away, notes, and voices with formants.

Times are seconds, frequencies Hz, levels about 1 at their peak; a track is float32 (N,).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
#: a vowel: (Hz, gain, width in Hz) of each formant
Vowel = tuple[tuple[float, float, float], ...]
AH: Vowel = ((750, 1.0, 130), (1200, 0.6, 160), (2600, 0.25, 250))
OO: Vowel = ((330, 1.0, 90), (800, 0.5, 130), (2300, 0.12, 250))
EE: Vowel = ((300, 1.0, 90), (2200, 0.55, 220), (3000, 0.3, 300))
#: Seconds of an attack that is no click.
ATTACK = 0.003


def clock(n: int, rate: int) -> Samples:
    """The time of each of ``n`` samples."""
    return np.arange(n, dtype=np.float32) / rate


def noise(rng: np.random.Generator, n: int, rate: int, low: float, high: float) -> Samples:
    """Gaussian noise between two frequencies, of deviation 0.3."""
    length = 1 << max(10, (n - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / rate)
    spectrum *= (frequency > low) & (frequency < high)
    wave = np.fft.irfft(spectrum, length)[:n]
    return (0.3 * wave / (wave.std() + 1e-9)).astype(np.float32)


def strokes(n: int, rate: int, times: Floats, decay: float, attack: float = ATTACK) -> Samples:
    """An envelope that rises to 1 at each of ``times`` and dies away; strokes that overlap add up."""
    envelope = np.zeros(n, np.float32)
    shape = _stroke(rate, decay, attack)
    for first in _firsts(times, rate, n):
        part = shape[: n - first]
        envelope[first : first + len(part)] += part
    return envelope


def swells(n: int, rate: int, times: Floats, width: float) -> Samples:
    """An envelope of a soft bump of ``width`` seconds (its deviation) around each of ``times``."""
    t = clock(n, rate)
    envelope = np.zeros(n, np.float32)
    for time in times:
        first, last = (int(np.clip((time + side * 4 * width) * rate, 0, n)) for side in (-1, 1))
        envelope[first:last] += np.exp(-0.5 * ((t[first:last] - time) / width) ** 2)
    return np.minimum(envelope, 1.0)


def notes(
    n: int,
    rate: int,
    times: Floats,
    hertz: Sequence[float] | Floats,
    decay: float,
    partials: Sequence[tuple[float, float]] = ((1.0, 1.0),),
    bend: float = 0.0,
) -> Samples:
    """A note at each of ``times``, of each frequency in ``hertz`` (used in turn).

    partials: (ratio, gain); higher ones die away faster. bend: the pitch begins so much higher (a fraction) and falls within ``decay``.
    """
    track = np.zeros(n, np.float32)
    envelope = _stroke(rate, decay, ATTACK)
    t = clock(len(envelope), rate)
    for number, first in enumerate(_firsts(times, rate, n)):
        pitch = float(hertz[number % len(hertz)])
        phase = 2 * np.pi * pitch * (t - bend * decay * (np.exp(-t / decay) - 1))
        wave = sum(gain * np.sin(ratio * phase) * envelope ** max(1.0, ratio / 2) for ratio, gain in partials if ratio * pitch < rate / 2)
        part = np.asarray(wave, np.float32)[: n - first]
        track[first : first + len(part)] += part
    return track


def voice(rate: int, hertz: Samples, vowel: Vowel) -> Samples:
    """A sung or spoken vowel whose pitch (N,) moves: harmonics as loud as the formants make them at the mean pitch."""
    phase = 2 * np.pi * np.cumsum(hertz, dtype=np.float64) / rate
    mean = float(hertz.mean())
    wave = np.zeros(len(hertz), np.float32)
    total = 0.0
    for number in range(1, 1 + int(min(24, 3600 / mean))):
        gain = sum(level * float(np.exp(-0.5 * ((number * mean - centre) / width) ** 2)) for centre, level, width in vowel) + 0.04 / number
        wave += np.float32(gain) * np.sin(number * phase).astype(np.float32)
        total += gain
    return wave / np.float32(max(total, 1e-6) ** 0.5)


def _stroke(rate: int, decay: float, attack: float) -> Samples:
    t = clock(int((attack + 7 * decay) * rate) + 1, rate)
    return (np.minimum(t / attack, 1) * np.exp(-np.maximum(t - attack, 0) / decay)).astype(np.float32)


def _firsts(times: Floats, rate: int, n: int) -> list[int]:
    """The samples at which events begin, of those within the track."""
    return [first for first in (int(time * rate) for time in times) if 0 <= first < n]
