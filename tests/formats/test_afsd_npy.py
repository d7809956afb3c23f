"""AFSD's arrays of flow: stacking, kept frames, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from formats import afsd_npy

FLOWS = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 2), dtype=np.uint8)


def test_the_last_flow_is_repeated_so_that_there_is_one_for_every_frame() -> None:
    stacked = afsd_npy.stack(FLOWS)
    assert len(stacked) == 6 and np.array_equal(stacked[:5], FLOWS) and np.array_equal(stacked[5], FLOWS[4])


@given(st.floats(10, 60), st.integers(20, 200))
def test_as_many_flows_are_kept_as_frames(fps: float, count: int) -> None:
    kept = afsd_npy.kept(fps, count)
    assert len(kept) == len(afsd_npy.sampled(fps, count)) and abs(len(kept) - count * 10 / fps) <= 1
    assert kept.max() < count - 1 and (np.diff(kept) >= 0).all()


def test_a_video_too_short_for_one_flow_is_refused() -> None:
    with pytest.raises(ValueError, match="3 frames at 30"):
        afsd_npy.kept(30.0, 3)


def test_files_come_back(tmp_path: Path) -> None:
    afsd_npy.write(tmp_path / "a.npy", FLOWS, 5)
    assert np.array_equal(afsd_npy.read(tmp_path / "a.npy", frames=5), FLOWS)


def test_wrong_arrays_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        afsd_npy.write(tmp_path / "a.npy", FLOWS.astype(np.float32), 5)
    for count in (2, 7):
        with pytest.raises(ValueError, match=f"5 flows, where {count} were promised"):
            afsd_npy.write(tmp_path / "a.npy", FLOWS, count)
    with pytest.raises(DataError, match=r"a\.npy: flow 1 has 6 x 2 pixels, the first 6 x 4"):
        afsd_npy.write(tmp_path / "a.npy", [FLOWS[0], FLOWS[1, :2]], 2)
    afsd_npy.write(tmp_path / "a.npy", FLOWS, 5)
    with pytest.raises(DataError, match=r"a\.npy has 5 flows, where the table of videos says 7"):
        afsd_npy.read(tmp_path / "a.npy", frames=7)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-9])
    np.save(tmp_path / "rgb.npy", np.zeros((2, 4, 6, 3), np.uint8))
    for name in ("a.npy", "rgb.npy", "gone.npy"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            afsd_npy.read(tmp_path / name)
