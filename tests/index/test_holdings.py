"""Annotations beside the disk: what is there, what is missing, what nobody asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import ConfigError, DataError
from stages.index.holdings import holdings
from tests.index.conftest import NAMES


def test_videos_are_there_missing_or_unused(msvd: Path) -> None:
    (msvd / "YouTubeClips" / f"{NAMES[10]}.avi").unlink()
    found = holdings("msvd-qa", msvd)
    assert [video.id for video in found.there] == ["1", "2", "3"]
    assert [video.id for video in found.missing] == ["10"]
    assert found.unused == [f"YouTubeClips/{NAMES[4]}.avi"]


def test_a_directory_in_the_place_of_a_video_is_missing(msvd: Path) -> None:
    path = msvd / "YouTubeClips" / f"{NAMES[1]}.avi"
    path.unlink()
    path.mkdir()
    assert [video.id for video in holdings("msvd-qa", msvd).missing] == ["1"]


def test_files_of_a_folder_whose_names_are_not_those_of_videos_are_unused(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.JSON", "c.xyz", "d"):
        (tmp_path / name).write_text(name)
    found = holdings("folder", tmp_path)
    assert ([video.id for video in found.there], found.missing, found.unused) == (["a"], [], ["c.xyz", "d"])
    assert ([video.id for video in holdings("folder-all", tmp_path).there]) == ["a.mp4", "b.JSON", "c.xyz", "d"]


def test_bad_annotations_and_unknown_layouts_are_named(msvd: Path) -> None:
    (msvd / "val_qa.json").write_text("{")
    with pytest.raises(DataError, match=r"val_qa\.json"):
        holdings("msvd-qa", msvd)
    with pytest.raises(ConfigError, match="msvd-qb"):
        holdings("msvd-qb", msvd)
