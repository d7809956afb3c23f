"""What a network hears of a clip: librosa's log-mels, the same for the same place of a training, quirks where they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.errors import ConfigError
from models.training.crops import At, picks, uniforms
from systems.xkd import audio_views
from systems.xkd.audio_views import Mask
from systems.xkd.logmel import LogMel, log_mel, mel_bank
from systems.xkd.sizes import SIZES, ViewSizes

SMALL = ViewSizes(frames=8, local_frames=2, rate=8000, window=256, hop=125, bands=20)
AT = At(3, 1, 4)


def noise(length: int = SMALL.samples, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, length).astype(np.float32)


def tone(hertz: float, length: int, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(length) / rate)).astype(np.float32)


def test_published_sizes() -> None:
    assert (SIZES.seconds, SIZES.samples, SIZES.local_samples, SIZES.columns, SIZES.local_columns) == (4.0, 64_000, 16_000, 448, 112)


def test_a_spectrogram_is_that_of_its_definition() -> None:
    """One column by the sums of the definition, in float64."""
    how = LogMel(8000, 256, 125, 20)
    samples = noise(2000)
    mirrored = np.pad(samples.astype(np.float64), 128, mode="reflect")
    for column in (0, 7, 16):
        piece = mirrored[125 * column : 125 * column + 256] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256))
        waves = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(256)) / 256)
        power = np.abs(waves @ piece) ** 2 + 2.220446e-16
        expected = np.log(mel_bank(how).astype(np.float64) @ power + 1.1920929e-07)
        assert np.allclose(log_mel(torch.from_numpy(samples), how)[:, column], expected, atol=1e-4)


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 4000.0])
def test_the_loudest_band_is_that_of_a_tone(hertz: float) -> None:
    loudest = log_mel(torch.from_numpy(tone(hertz, 16_000, 16_000)))[:, 50].argmax()
    low, high = hertz * 0.9 - 40, hertz * 1.1 + 40
    lines = mel_bank()[loudest].nonzero()[0] * 16_000 / 1024
    assert low < lines.mean() < high


def test_many_sounds_are_each_their_own_and_half_a_window_is_refused() -> None:
    both = torch.from_numpy(np.stack([noise(seed=0), noise(seed=1)])[:, None])
    how = LogMel(8000, 256, 125, 20)
    together = log_mel(both, how)
    assert together.shape == (2, 1, 20, SMALL.columns)
    assert torch.allclose(together[1, 0], log_mel(both[1, 0], how), atol=1e-5)
    with pytest.raises(ValueError, match="128 samples are too few"):
        log_mel(torch.zeros(128), how)


def test_a_view_is_the_same_at_the_same_place_of_a_training_and_another_elsewhere() -> None:
    samples = noise()
    for make in (audio_views.global_view, audio_views.local_view, audio_views.finetune_view, audio_views.svm_view):
        one = make(samples, AT, SMALL)
        assert torch.equal(one, make(samples, AT, SMALL)) and one.dtype == torch.float32
        assert one.shape == (1, 20, SMALL.local_columns if make is audio_views.local_view else SMALL.columns)
        for other in (AT._replace(seed=4), AT._replace(epoch=2), AT._replace(index=5), AT._replace(view=1)):
            assert not torch.equal(one, make(samples, other, SMALL))


@pytest.mark.parametrize(("make", "by"), [(audio_views.global_view, 0.1), (audio_views.svm_view, 0.1)])
def test_the_volume_changes_as_much_as_published(make: object, by: float) -> None:
    samples = noise()
    plain = audio_views.test_views(samples, 1, SMALL)[0]
    louder = [float((make(samples, At(0, 0, index), SMALL) - plain).mean()) * 4.410007 / 2 for index in range(100)]  # type: ignore[operator]
    factors = np.exp(louder)  # of a log-mel of power
    assert 1 - by - 1e-3 < factors.min() < 1 - by / 2 and 1 + by / 2 < factors.max() < 1 + by + 1e-3


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 80), st.integers(2, 448))
def test_a_random_crop_lies_on_the_canvas(index: int, bands: int, columns: int) -> None:
    at = At(0, 0, index)
    box = audio_views.crop_box(bands, columns, uniforms(at), picks(at))
    assert box.top >= 0 and box.top + box.height <= bands
    assert box.left >= 0 and box.left + box.width <= int(columns * 1.5)
    view = audio_views.resized_crop(torch.ones(1, bands, columns), box)
    assert view.shape == (1, bands, columns) and view.isfinite().all()


def test_the_crop_that_is_the_spectrogram_leaves_it_as_it_is() -> None:
    view = audio_views.global_view(noise(), AT, SMALL)
    columns = view.shape[-1]
    left = (int(columns * 1.5) - columns) // 2
    assert torch.allclose(audio_views.resized_crop(view, audio_views.Box(0, left, 20, columns)), view, atol=1e-5)


def test_masks_hide_what_they_say_with_the_mean() -> None:
    view = audio_views.global_view(noise(), AT, SMALL)
    hidden = audio_views.masked(view, -1, [Mask(3, 4), Mask(10, 0)])
    assert torch.equal(hidden[..., :3], view[..., :3]) and torch.equal(hidden[..., 7:], view[..., 7:])
    assert torch.allclose(hidden[..., 3:7], view.mean().expand(1, 20, 4))


def test_a_warp_moves_a_column_and_keeps_the_size() -> None:
    view = torch.zeros(1, 4, 60)
    view[..., 30:] = 1
    warped = audio_views.time_warp(view, 30, 41)
    assert warped.shape == view.shape and warped[..., :40].abs().max() < 0.1 and (warped[..., 42:] - 1).abs().max() < 0.1


def test_windows_of_a_test_are_of_the_whole_file_or_all_of_its_beginning() -> None:
    samples = np.concatenate([noise(seed=seed) * volume for seed, volume in enumerate((0.01, 1.0, 0.1))]).astype(np.float32)
    windows = audio_views.test_views(samples, 3, SMALL)
    first = audio_views.test_views(samples, 3, SMALL, "first4s")
    assert windows.shape == first.shape == (3, 1, 20, SMALL.columns)
    assert torch.equal(first[0], first[1]) and torch.equal(first[0], first[2])
    loudness = windows.mean(dim=(1, 2, 3))
    assert loudness[1] > loudness[2] + 0.5 > loudness[0] + 1.0
    assert torch.allclose(windows[0][..., :-4], first[0][..., :-4], atol=1e-4)  # but for the last windows, which reach over the end
    with pytest.raises(ConfigError, match="audio_dense"):
        audio_views.test_views(samples, 3, SMALL, "whole")


def test_no_sound_and_too_little_are_followed_by_silence() -> None:
    assert not audio_views.prepared(None, 10).any()
    assert audio_views.prepared(np.array([[1, 1], [0, 1]], np.float32), 4).tolist() == [0.5, 1, 0, 0]
    short = audio_views.test_views(noise(1000), 2, SMALL)
    silence = audio_views.test_views(np.zeros(0, np.float32), 2, SMALL)
    assert short.shape == silence.shape and torch.allclose(short[..., 12:], silence[..., 12:]) and not torch.allclose(short, silence)
