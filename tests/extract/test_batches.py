"""Batches across videos: every row once, in its video's place, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.extract.batches import Batches
from stages.extract.loader import Clips


def video(number: int, frames: int, clips: int, length: int) -> Clips:
    """Frames of one pixel whose values name video and frame."""
    rng = np.random.default_rng(number)
    pictures = np.empty((frames, 1, 1, 3), np.uint8)
    pictures[...] = np.stack([np.full(frames, number), np.arange(frames), np.zeros(frames)], axis=1)[:, None, None]
    return Clips(f"video {number}", pictures, rng.integers(0, frames, (clips, length)))


shapes = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=0, max_size=7)


@pytest.mark.parametrize("kind", ["appearance", "motion"])
@given(shapes, st.integers(1, 6))
def test_every_video_gets_its_own_rows(kind: str, sizes: list[tuple[int, int]], size: int) -> None:
    videos = [video(n, frames, clips, 3) for n, (frames, clips) in enumerate(sizes)]
    batches, shapes_seen, used = Batches(kind, size), set(), 0

    def network():
        nonlocal used
        for batch in batches.cut(videos):
            shapes_seen.add(batch.inputs.shape[0])
            used += batch.used
            flat = batch.inputs.reshape(size, -1, 3)[..., :2].astype(np.float32)
            yield flat.reshape(size, -1)[: batch.used]  # the names of what was seen are the features

    rows = dict(batches.join(network()))
    assert list(rows) == [clips.digest for clips in videos]
    assert shapes_seen <= {size}
    assert used == sum(len(v.frames) if kind == "appearance" else len(v.places) for v in videos)
    for clips in videos:
        seen = clips.frames[clips.places][..., 0, 0, :2].astype(np.float32)  # (C, F, 2)
        assert np.array_equal(rows[clips.digest], seen if kind == "appearance" else seen.reshape(len(clips.places), -1))


def test_only_the_last_batch_is_filled_up() -> None:
    batches = Batches("appearance", 4)
    cut = list(batches.cut([video(0, 3, 1, 2), video(1, 3, 1, 2)]))
    assert [batch.used for batch in cut] == [4, 2]
    assert np.array_equal(cut[1].inputs[2:], cut[1].inputs[[0, 0]])
