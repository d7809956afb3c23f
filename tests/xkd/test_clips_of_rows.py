"""From a film through the rows of the stage sample to the views of a network: what happens at once is at the same place of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.digest import digest_file
from media.frames import decode_payload
from media.waveform import decode_waveform
from models.training.crops import At
from stages.sample import SampleParams
from stages.sample.worker import Job, sample_video
from systems.xkd.clips import File, training_clip, training_views
from systems.xkd.sizes import ViewSizes
from tests.media.synced import Film, chirp, make

SIZES = ViewSizes(frames=8, size=32, local_frames=2, local_size=24)


def file_of(path: Path) -> File:
    """The rows of both policies, opened."""
    digest = digest_file(path)
    seen, heard = (
        sample_video(Job(str(path), digest, SampleParams(**params)))
        for params in ({"policy": "rate", "fps": SIZES.fps}, {"policy": "audio", "audio_rate": SIZES.rate})
    )
    frames, sound = decode_payload(seen.payload), decode_waveform(heard.payload)
    pictures = np.stack([frames.images(int(number)) for number in frames.index[0]])
    return File(pictures, float(frames.times[0]), sound.samples, sound.start)


@pytest.mark.parametrize(
    "film",
    [
        Film("a.avi", "libmp3lame", "mpeg4", 8),
        Film("b.mp4", "aac", bframes=2, fps=8),
        Film("c.mkv", "libopus", fps=8, rate=48_000),
        Film("d.ts", "aac", fps=8),
    ],
    ids=lambda film: film.name,
)
def test_a_flash_and_a_chirp_stay_together_in_every_clip(tmp_path: Path, film: Film) -> None:
    """The films have 8 pictures a second, so that none of them is left out."""
    file = file_of(make(tmp_path, film))
    places = set()
    for index in range(12):
        clip = training_clip(file, At(0, 0, index), SIZES)
        white = np.flatnonzero(clip.frames.mean(axis=(1, 2, 3)) > 128)
        if not len(white):
            continue
        likeness = np.abs(np.correlate(clip.samples, chirp(SIZES.rate), "valid"))
        assert likeness.max() > 50
        assert likeness.argmax() / SIZES.rate == pytest.approx(white[0] / SIZES.fps, abs=0.002)
        places.add(int(white[0]))
    assert len(places) > 2


def test_views_of_rows_have_the_sizes_of_a_network(tmp_path: Path) -> None:
    clip = training_clip(file_of(make(tmp_path, Film("a.avi", "libmp3lame", "mpeg4", 8))), At(0, 0, 0), SIZES)
    views = training_views(clip, At(0, 0, 0), SIZES)
    assert [view.shape for view in views.video] == [(3, 8, 32, 32), (3, 2, 24, 24)]
    assert [tuple(view.shape) for view in views.audio] == [(1, 80, SIZES.columns), (1, 80, SIZES.local_columns)]
