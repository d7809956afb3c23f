"""Sound as data sets hold it: bits of every kind, files that are short, silent, cut off or of one stream alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from media.audio import read_sound
from media.outcome import SILENCE, MediaError
from tests.media.zoo import write

#: codec of WAV -> format of its samples, and how far a sample may be from what was written, in 32768ths
BITS = {
    "pcm_u8": ("u8", 128.5),
    "pcm_s16le": ("s16", 0.5),
    "pcm_s24le": ("s32", 0.5),
    "pcm_s32le": ("s32", 0.5),
    "pcm_f32le": ("flt", 0.5),
    "pcm_f64le": ("dbl", 0.5),
}


def wave(seconds: float, channels: int = 1, rate: int = 16_000, loud: float = 0.5) -> np.ndarray:
    """(channels, N): a chord of which no two channels are alike."""
    t = np.arange(round(seconds * rate)) / rate
    return loud * np.stack([np.sin(2 * np.pi * 300 * (channel + 1) * t) for channel in range(channels)])


def pcm(path: Path, samples: np.ndarray, codec: str = "pcm_s16le", rate: int = 16_000) -> Path:
    """A WAV of samples (channels, N) in -1..1."""
    kind = BITS[codec][0]
    full = {
        "u8": (np.uint8, 128, 128),
        "s16": (np.int16, 32768, 0),
        "s32": (np.int32, 1 << 31, 0),
        "flt": (np.float32, 1, 0),
        "dbl": (np.float64, 1, 0),
    }
    number, scale, middle = full[kind]
    values = samples * scale + middle
    if kind in ("u8", "s16", "s32"):
        values = np.clip(np.rint(values), np.iinfo(number).min, np.iinfo(number).max)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values.T.reshape(1, -1).astype(number)), format=kind, layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("codec", BITS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_bits_of_every_kind_are_the_mean_of_the_channels(tmp_path: Path, codec: str, channels: int) -> None:
    samples = wave(0.3, channels)
    summary, heard = read_sound(pcm(tmp_path / "a.wav", samples, codec), 16_000)
    assert summary.verdict() == ("ok", "") and summary.channels == channels
    assert np.abs(heard - samples.mean(axis=0) * 32768).max() <= BITS[codec][1] + 1e-3 * (codec == "pcm_f32le") + 0.5


def test_five_seconds_at_44_khz_in_stereo_are_five_seconds_at_16_khz(tmp_path: Path) -> None:
    summary, heard = read_sound(pcm(tmp_path / "a.wav", wave(5.0, 2, 44_100), rate=44_100), 16_000)
    assert summary.verdict() == ("ok", "") and len(heard) == 80_000
    expected = wave(5.0, 2).mean(axis=0) * 32768
    assert np.abs(heard - expected)[200:-200].max() <= 2


@pytest.mark.parametrize(("loud", "state"), [(0.0, "silent"), (0.5 * SILENCE, "silent"), (2 * SILENCE, "ok")])
def test_silence_is_a_state_and_a_whisper_is_not(tmp_path: Path, loud: float, state: str) -> None:
    summary, heard = read_sound(pcm(tmp_path / "a.wav", wave(0.5, loud=loud)), 16_000)
    assert summary.verdict()[0] == state and len(heard) == 8000
    assert summary.facts()["peak"] == pytest.approx(loud, abs=1 / 32768)


def test_what_is_silent_for_as_long_as_it_is_read_is_silent(tmp_path: Path) -> None:
    late = np.concatenate([np.zeros((1, 16_000)), wave(1.0)], axis=1)
    path = pcm(tmp_path / "a.wav", late)
    assert read_sound(path, 16_000, 0.9).summary.verdict()[0] == "silent"
    assert read_sound(path, 16_000).summary.verdict() == ("ok", "")


def test_a_silent_file_that_is_cut_off_is_damaged_and_both_are_said(tmp_path: Path) -> None:
    path = pcm(tmp_path / "a.wav", np.zeros((1, 32_000)))
    path.write_bytes(path.read_bytes()[:40_000])
    state, reason = read_sound(path, 16_000).summary.verdict()
    assert state == "damaged" and "do not decode" in reason and "-80 dB" in reason


@pytest.mark.parametrize("length", [1, 2, 10, 100])
def test_a_file_of_a_few_samples_is_read(tmp_path: Path, length: int) -> None:
    samples = np.full((1, length), 0.5)
    assert len(read_sound(pcm(tmp_path / "a.wav", samples), 16_000).samples) == length
    at_44 = read_sound(pcm(tmp_path / "b.wav", np.full((1, 10 * length), 0.5), rate=44_100), 16_000)
    assert abs(len(at_44.samples) - 10 * length * 16_000 / 44_100) <= 1


def test_a_header_without_a_sample_is_undecodable_and_pictures_alone_are_no_audio(tmp_path: Path) -> None:
    path = pcm(tmp_path / "a.wav", wave(0.1))
    path.write_bytes(path.read_bytes()[:-3200])
    for file, state in ((path, "undecodable"), (write(tmp_path / "b.mp4"), "no_audio")):
        with pytest.raises(MediaError) as error:
            read_sound(file, 16_000)
        assert error.value.state == state
