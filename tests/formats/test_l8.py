"""Lite-MKD's folders of pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cache.errors import DataError
from formats import l8


def jpeg(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 12, 3), level, np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_pictures_come_back_in_order_under_the_official_names(tmp_path: Path) -> None:
    folder = l8.folder_of(tmp_path, "flow", "Surfing", "v_Surfing_g01_c01")
    l8.write(folder, [jpeg(20 * k) for k in range(8)])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg"))[0] == (
        "flow_l8/Surfing/v_Surfing_g01_c01/00000001.jpg"
    )
    (folder / "notes.txt").write_text("not a picture")
    pictures = l8.read(folder)
    assert [round(picture.mean() / 20) for picture in pictures] == list(range(8)) and pictures[0].shape == (8, 12, 3)
    assert l8.videos(tmp_path, "flow") == [("Surfing", "v_Surfing_g01_c01")]


def test_missing_and_damaged_things_are_named(tmp_path: Path) -> None:
    folder = l8.folder_of(tmp_path, "depth", "a", "b")
    with pytest.raises(DataError, match="depth_l8/a/b is no folder"):
        l8.read(folder)
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no \.jpg"):
        l8.read(folder)
    l8.write(folder, [jpeg(3), b"\xff\xd8\xff no more"])
    with pytest.raises(DataError, match=r"00000002\.jpg is no picture"):
        l8.read(folder)
    with pytest.raises(DataError, match=r"flow_l8 is not there\n  found: depth"):
        l8.videos(tmp_path, "flow")
    with pytest.raises(FileExistsError):
        l8.write(folder, [jpeg(3)])
