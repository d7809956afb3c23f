"""Training examples are a function of window and place; a batch holds what the detection losses read."""

from __future__ import annotations

import numpy as np

from models.training.crops import At
from systems.gkd.detection.examples import batch, example
from systems.gkd.detection.windows import Window

FRAMES = np.random.default_rng(0).integers(0, 256, (90, 20, 24, 3), np.uint8)
WIDE = Window("v", 10, np.array([[5.0, 25.5, 2], [40.0, 50.0, 3]]))
SHORT = Window("v", 10, np.array([[5.0, 9.0, 2]]))


def test_an_example_is_a_function_of_window_and_place() -> None:
    same, again, other = (example(FRAMES, WIDE, 6, At(3, epoch, 8), length=64, side=16) for epoch in (0, 0, 1))
    for a, b in zip(same, again):
        assert np.array_equal(a, b)
    assert not np.array_equal(same.clip, other.clip)
    assert same.targets.tolist() == [[5 / 64, 25.5 / 64, 2], [40 / 64, 50 / 64, 3]] and same.boundaries.shape == (2, 64)


def test_a_batch_holds_the_contrastive_clips_of_those_that_have_one() -> None:
    wide, short = (example(FRAMES, window, 6, At(0, 0, 1), length=64, side=16) for window in (WIDE, SHORT))
    assert short.order is None
    sample = batch([short, wide])
    assert sample.clips.shape == (2, 3, 64, 16, 16) and [len(rows) for rows in sample.targets] == [1, 2]
    assert sample.contrastive_clips is not None and sample.contrastive_clips.shape == (1, 3, 64, 16, 16)
    assert np.array_equal(sample.contrastive_clips[0], wide.clip[:, wide.order])
    assert sample.contrasts is not None and sample.contrasts.shape == (1, 3, 2)
    assert batch([short]).contrasts is None


def test_as_published_only_the_first_clip_of_a_batch_has_a_contrastive_one() -> None:
    wide, short = (example(FRAMES, window, 6, At(0, 0, 1), length=64, side=16) for window in (WIDE, SHORT))
    first, second = batch([wide, wide, short], contrasted="first"), batch([short, wide], contrasted="first")
    assert first.contrasts is not None and len(first.contrasts) == 1 and len(first.clips) == 3
    assert second.contrasts is None and second.contrastive_clips is None
