"""The parts of ``predict.py`` beside what they stand for in the pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.standalone.sound import heard, log_mel
from models.standalone.video import at_rate, decoded, middle, resized, short_side
from stages.sample.policies import rate_indices
from tests.export.bench import film

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 37, 52, 3)).astype(np.uint8)


def apart(left: np.ndarray, right: np.ndarray) -> int:
    """The largest difference, in levels of grey."""
    assert left.shape == right.shape and left.dtype == right.dtype == np.uint8
    return int(np.abs(left.astype(int) - right.astype(int)).max())


@pytest.mark.parametrize("size", [(20, 28), (37, 52), (60, 41)])
def test_pictures_are_resized_as_the_systems_do_it(size: tuple[int, int]) -> None:
    from PIL import Image

    from systems.gkd.recognition.views import resize as sharp
    from systems.xkd.video_views import resized as smooth

    bicubic = np.stack([np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BICUBIC)) for one in PICTURES])
    assert apart(resized(PICTURES, *size, cubic=True), bicubic) <= 1
    assert apart(resized(PICTURES, *size), smooth(PICTURES, *size)) <= 1
    assert apart(resized(PICTURES, *size, smooth=False), sharp(PICTURES, *size)) <= 1


def test_the_short_side_and_the_middle_are_those_of_the_systems() -> None:
    from systems.litemkd.views import resize, view

    assert apart(short_side(PICTURES, 24), resize(PICTURES, 24)) <= 1
    assert apart(middle(short_side(PICTURES, 24), 21), view(PICTURES, 21, short=24)) <= 1


@pytest.mark.parametrize("take", ["shown", "last"])
@pytest.mark.parametrize("rate", [4.0, 10.0, 25.0, 30.0])
def test_frames_are_chosen_as_the_sampler_chooses_them(take: str, rate: float) -> None:
    for count, fps in ((50, 25.0), (7, 12.5), (1, 25.0), (40, 29.97)):
        times = np.arange(count) / fps
        assert at_rate(times, rate, take).tolist() == rate_indices(times.tolist(), rate, take)[0].tolist()


def test_a_file_is_decoded_with_its_times(tmp_path: Path) -> None:
    frames, times = decoded(str(film(tmp_path / "a.mp4", frames=12, rate=10)))
    assert frames.shape == (12, 48, 64, 3) and times == pytest.approx(np.arange(12) / 10)


def test_sound_is_heard_as_log_mels_of_the_system(tmp_path: Path) -> None:
    import torch

    from systems.xkd.logmel import DEVIATION, MEAN, LogMel, mel_bank, normalise
    from systems.xkd.logmel import log_mel as theirs

    file = str(film(tmp_path / "a.mkv", frames=20, rate=10, sound=True))
    samples, how = heard(file, 8000), LogMel(8000, 256, 100, 12)
    assert len(samples) == pytest.approx(16_000, abs=1500) and np.abs(samples).max() > 0.3
    sound = {"window": how.window, "hop": how.hop, "mean": MEAN, "std": DEVIATION}
    expected = normalise(theirs(torch.from_numpy(samples), how)).numpy()
    np.testing.assert_allclose(log_mel(samples, mel_bank(how), sound), expected, atol=2e-3)
    assert len(heard(str(film(tmp_path / "mute.mp4")), 8000)) == 0
