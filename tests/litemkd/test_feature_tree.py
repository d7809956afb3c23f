"""The authors' trees of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from systems.litemkd.feature_tree import read, videos

FEATURES = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)


def put(root: Path, video: str, array: np.ndarray, name: str = "feature.npy") -> None:
    folder = root / "kick_ball" / video
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / name, array)


def test_both_published_shapes_are_read(tmp_path: Path) -> None:
    put(tmp_path, "a", FEATURES)
    put(tmp_path, "b", FEATURES[None])
    assert videos(tmp_path) == [("kick_ball", "a"), ("kick_ball", "b")]
    assert all(np.array_equal(read(tmp_path, video), FEATURES) for video in videos(tmp_path))


def test_the_only_file_of_a_folder_is_taken_whatever_its_name(tmp_path: Path) -> None:
    put(tmp_path, "a", FEATURES, "0001.npy")
    assert np.array_equal(read(tmp_path, ("kick_ball", "a")), FEATURES)
    put(tmp_path, "a", FEATURES, "0002.npy")
    with pytest.raises(DataError, match=r"2 npy files and no feature\.npy"):
        read(tmp_path, ("kick_ball", "a"))


@pytest.mark.parametrize("shape", [(7, 6), (2, 8, 6), (48,)])
def test_another_shape_is_an_error_that_names_the_file(tmp_path: Path, shape: tuple[int, ...]) -> None:
    put(tmp_path, "a", np.zeros(shape, np.float32))
    with pytest.raises(DataError, match=r"a/feature\.npy holds \["):
        read(tmp_path, ("kick_ball", "a"))


def test_a_missing_video_and_an_empty_tree_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"feature\.npy"):
        read(tmp_path, ("kick_ball", "gone"))
    with pytest.raises(DataError, match="holds no features"):
        videos(tmp_path)
