"""Pictures of videos, decoded as a clip needs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError, StoreError
from cache.items import ItemSet
from models.training.crops import At
from systems.gkd.recognition.clips import Clips
from systems.gkd.recognition.sampling import picture_numbers
from systems.gkd.recognition.seen import Look
from systems.gkd.recognition.views import scale
from tests.gkd.recognition_bench import FRAMES, Bench, drawn, make_bench, rows, write_pictures, write_rows


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Clips that are only read."""
    return make_bench(tmp_path_factory.mktemp("clips"))


def clips(bench: Bench, modality: str = "rgb", cache_mb: float = 0.0) -> Clips:
    return Clips(bench.root / modality, ItemSet(bench.root / modality / "items", writable=False), modality, cache_mb=cache_mb)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
@pytest.mark.parametrize("short", [0, 24])
def test_pictures_are_the_same_whether_they_are_kept_or_not(modality: str, short: int, bench: Bench) -> None:
    truth = drawn("bee0", "bee", modality)
    expected = scale(truth, short) if short else truth
    few, kept = clips(bench, modality), clips(bench, modality, 64.0)
    for found in (few, kept, kept):
        pictures = found("bee0", short)
        assert pictures.count == (FRAMES if modality == "rgb" else FRAMES - 1)
        assert np.array_equal(pictures.take([3, 9, 3]), expected[[2, 8, 2]])


def test_only_as_many_videos_are_kept_as_there_is_room_for(bench: Bench) -> None:
    one = drawn("ant0", "ant", "rgb").nbytes / 2**20
    kept = clips(bench, cache_mb=2.5 * one)
    for id in ("ant0", "bee0", "cat0", "ant0"):
        kept(id)
    assert len(kept._kept) == 2


def test_a_short_video_begins_again(tmp_path: Path) -> None:
    own = make_bench(tmp_path, modalities=("rgb",))
    write_pictures(own, "rgb", {"ant0": 4})
    found = Look(9, 32).middle(clips(own), "ant0")
    assert found.shape == (3, 9, 32, 32)
    assert np.array_equal(found[:, 0], found[:, 4]) and not np.array_equal(found[:, 0], found[:, 1])


def test_a_clip_is_a_function_of_seed_epoch_and_place(bench: Bench) -> None:
    look, source = Look(9, 32), clips(bench)
    views = [
        look.drawn(source, "cat1", At(seed, epoch, place)) for seed, epoch, place in ((1, 0, 0), (1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1))
    ]
    assert np.array_equal(views[0], views[1])
    assert all(not np.array_equal(views[0], other) for other in views[2:])


def test_the_published_scale_of_flow_fills_half_of_a_clip(bench: Bench) -> None:
    source = clips(bench, "flow", 64.0)
    whole, half = (Look(9, 32, 34, "kinetics", how).middle(source, "bee1") for how in ("whole", "half"))
    assert np.array_equal(whole[:, :5], half[:, :5]) or np.array_equal(whole[:, :4], half[:, :4])
    assert np.all(half[:, 5:] == -1) and not np.all(whole[:, 5:] == -1)


def test_pictures_of_another_form_are_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="where flow of two planes") as refused:
        Clips(bench.root / "rgb", ItemSet(bench.root / "rgb" / "items", writable=False), "flow")("ant0").take([1])
    assert "derive.flow.coding=xy" in str(refused.value.hint)


def test_pictures_that_are_not_those_recorded_are_refused(tmp_path: Path) -> None:
    own = make_bench(tmp_path, modalities=("rgb",))
    write_rows(own, "rgb", [{**line, "frames": "0" * 64} for line in rows(own)])
    with pytest.raises(StoreError, match="are not what the stage that made them recorded"):
        clips(own)("ant0")


def test_the_middle_clip_is_that_of_the_published_rule(bench: Bench) -> None:
    look, source = Look(9, 32, 0, "kinetics"), clips(bench)
    numbers = [number - 1 for number in picture_numbers(FRAMES, 9)]
    truth = drawn("ant2", "ant", "rgb")[numbers, 2:34, 6:38].astype(np.float64) / 127.5 - 1
    assert np.allclose(look.middle(source, "ant2"), truth.transpose(3, 0, 1, 2), atol=1e-6)
