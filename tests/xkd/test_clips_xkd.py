"""Clips of a file: picture and sound of one time, whatever begins first."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.crops import At
from systems.xkd.clips import File, floats, training_clip, training_views
from systems.xkd.sizes import ViewSizes

SIZES = ViewSizes(frames=8, size=16, local_frames=2, local_size=12, rate=8000, window=256, hop=125, bands=20)


def ramp(frames: int, seconds: float, begin: float, start: float) -> File:
    """Frame n is n everywhere, a sample is its second on the file's clock."""
    pictures = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None, None], (frames, 18, 20, 3))
    return File(pictures, begin, (start + np.arange(round(seconds * 8000)) / 8000).astype(np.float32), start)


@pytest.mark.parametrize(("begin", "start"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.3)])
def test_the_sound_begins_when_the_first_frame_is_shown(begin: float, start: float) -> None:
    file = ramp(40, 5.0, begin, start)
    firsts = set()
    for index in range(50):
        clip = training_clip(file, At(0, 0, index), SIZES)
        assert clip.frames[:, 0, 0, 0].tolist() == list(range(clip.frames[0, 0, 0, 0], clip.frames[0, 0, 0, 0] + 8))
        shown = begin + float(clip.frames[0, 0, 0, 0]) / 8
        assert clip.samples.shape == (8000,)
        if shown >= start:
            assert clip.samples[0] == pytest.approx(shown, abs=1e-3)
        else:
            assert clip.samples[round((start - shown) * 8000)] == pytest.approx(start, abs=1e-3) and not clip.samples[0]
        firsts.add(int(clip.frames[0, 0, 0, 0]))
    assert len(firsts) > 10


def test_what_is_too_short_is_whole_and_its_views_have_the_usual_size() -> None:
    for file in (ramp(5, 5.0, 0.0, 0.0), ramp(40, 0.5, 0.0, 0.0), ramp(5, 0.5, 0.0, 0.0), ramp(5, 0.0, 0.0, 0.0)):
        clip = training_clip(file, At(0, 0, 0), SIZES)
        views = training_views(clip, At(0, 0, 0), SIZES, local=(2, 1))
        assert [view.shape for view in views.video] == [(3, 8, 16, 16), (3, 2, 12, 12), (3, 2, 12, 12)]
        assert [tuple(view.shape) for view in views.audio] == [(1, 20, SIZES.columns), (1, 20, SIZES.local_columns)]
        assert not np.array_equal(views.video[1], views.video[2])


def test_sixteen_bits_are_their_share_of_32768() -> None:
    assert floats(np.array([-32768, 16384], np.int16)).tolist() == [-1.0, 0.5]
