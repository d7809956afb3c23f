"""Sound at another rate: nothing from above half the new rate comes through, and what is below it stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache.errors import ConfigError
from media import resample
from media.resample import RESAMPLERS, resampler


def changed(samples: np.ndarray, source: int, target: int, how: str = "soxr", size: int = 1024) -> np.ndarray:
    """All samples at once, ``size`` at a time."""
    made = resampler(how, source, target)
    blocks = [block for first in range(0, len(samples), size) for block in made.more(samples[first : first + size])]
    return joined([*blocks, *made.rest()])


def joined(pieces: list[np.ndarray]) -> np.ndarray:
    """One after the other; none at all is silence of no length, as of a sound of one sample that is too short for the new rate."""
    return np.concatenate([np.zeros(0, np.float32), *pieces])


def level(hertz: float, source: int, target: int, how: str) -> float:
    """How loud a full tone is after the change, in dB."""
    tone = np.sin(2 * np.pi * hertz * np.arange(2 * source) / source).astype(np.float32)
    middle = changed(tone, source, target, how)[target // 4 : -target // 4].astype(np.float64)
    return float(20 * np.log10(np.sqrt(2) * middle.std() + 1e-12))


@pytest.mark.parametrize("hertz", [8_100.0, 9_000.0, 9_500.0, 10_000.0, 15_000.0, 21_000.0])
def test_soxr_lets_no_alias_through(hertz: float) -> None:
    assert level(hertz, 44_100, 16_000, "soxr") <= -120


@pytest.mark.parametrize(("hertz", "loud"), [(8_100.0, -16.0), (8_500.0, -30.0)])
def test_ffmpeg_lets_some_through_as_the_page_says(hertz: float, loud: float) -> None:
    assert loud < level(hertz, 44_100, 16_000, "ffmpeg") < -10


@pytest.mark.parametrize("how", RESAMPLERS)
@pytest.mark.parametrize("hertz", [50.0, 440.0, 3_000.0, 6_500.0])
def test_a_tone_below_stays_as_loud_as_it_was(how: str, hertz: float) -> None:
    assert abs(level(hertz, 44_100, 16_000, how)) < 0.1


@pytest.mark.parametrize("how", RESAMPLERS)
@pytest.mark.parametrize(("source", "target"), [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 16_000), (44_100, 48_000)])
def test_the_time_of_a_sound_and_its_length_stay(how: str, source: int, target: int) -> None:
    t = np.arange(2 * source) / source
    pulse = np.exp(-0.5 * ((t - 1.0) / 0.002) ** 2).astype(np.float32)
    made = changed(pulse, source, target, how)
    assert abs(len(made) - 2 * target) <= 1
    centre = float((made * np.arange(len(made))).sum() / made.sum()) / target
    assert centre == pytest.approx(1.0, abs=1e-5 if how == "soxr" else 1e-4)


@settings(max_examples=20, deadline=None)
@example([1], "ffmpeg")
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.sampled_from(RESAMPLERS))
def test_the_samples_do_not_depend_on_the_blocks(sizes: list[int], how: str) -> None:
    samples = np.random.default_rng(len(sizes)).uniform(-0.9, 0.9, sum(sizes)).astype(np.float32)
    made = resampler(how, 44_100, 16_000)
    pieces = [piece for block in np.split(samples, np.cumsum(sizes)[:-1]) for piece in made.more(block)]
    assert np.array_equal(joined([*pieces, *made.rest()]), changed(samples, 44_100, 16_000, how, size=len(samples)))


@pytest.mark.parametrize("how", RESAMPLERS)
def test_the_same_rate_is_the_same_samples(how: str) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 3000).astype(np.float32)
    assert np.array_equal(changed(samples, 16_000, 16_000, how), samples)


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="resampler"):
        resampler("sinc", 44_100, 16_000)
    assert resample.require("ffmpeg") is None
