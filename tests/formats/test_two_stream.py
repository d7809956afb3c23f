"""Folders and lists of two-stream networks: numbering of each tool, there and back, damage by name."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cache.errors import ConfigError, DataError
from formats import clip_list, two_stream
from formats.clip_list import Clip

FLOWS = np.arange(3 * 8 * 10 * 2).reshape(3, 8, 10, 2).astype(np.uint8) // 4 + 60


def jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=100)
    return buffer.getvalue()


def written(folder: Path, tool: str) -> Path:
    frames = [jpeg(np.full((8, 10, 3), 50 * k, np.uint8)) for k in range(4)]
    two_stream.write(folder, tool, [(jpeg(flow[..., 0]), jpeg(flow[..., 1])) for flow in FLOWS], frames)
    return folder


@pytest.mark.parametrize(
    ("tool", "flow", "frames"),
    [
        ("dense_flow", "flow_x_00001.jpg", ["img_00001.jpg", "img_00002.jpg", "img_00003.jpg"]),
        ("denseflow", "flow_x_00000.jpg", ["img_00000.jpg", "img_00001.jpg", "img_00002.jpg", "img_00003.jpg"]),
        ("mmaction", "x_00001.jpg", ["img_00001.jpg", "img_00002.jpg", "img_00003.jpg"]),
    ],
)
def test_every_tool_has_its_numbers_and_is_known_by_them(tmp_path: Path, tool: str, flow: str, frames: list[str]) -> None:
    folder = written(tmp_path / "v", tool)
    names = sorted(path.name for path in folder.iterdir())
    assert flow in names and [name for name in names if name.startswith("img_")] == frames
    for opened in (two_stream.read(folder), two_stream.read(folder, tool)):
        assert opened.tool == two_stream.TOOLS[tool] and opened.count == 3
        for k, codes in enumerate(FLOWS):
            assert np.abs(opened.flow(k).astype(int) - codes).max() <= 2
        assert np.abs(opened.frame(3).astype(int) - 150).max() <= 2 and opened.frames[-1] == 3


def test_colour_pictures_of_equal_channels_are_read_as_grey(tmp_path: Path) -> None:
    same = [jpeg(np.repeat(FLOWS[0, ..., k : k + 1], 3, axis=2)) for k in (0, 1)]
    two_stream.write(tmp_path, "denseflow", [(same[0], same[1])])
    assert np.abs(two_stream.read(tmp_path).flow(0).astype(int) - FLOWS[0]).max() <= 2


def test_nothing_is_written_over(tmp_path: Path) -> None:
    written(tmp_path / "v", "denseflow")
    with pytest.raises(FileExistsError):
        written(tmp_path / "v", "denseflow")


@pytest.mark.parametrize("name", ["flow_x_00002.jpg", "flow_y_00001.jpg", "flow_y_00003.jpg"])
def test_a_missing_picture_is_named(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "v", "dense_flow")
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        two_stream.read(folder)


def test_damaged_pictures_and_wrong_sizes_are_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "v", "denseflow")
    path = folder / "flow_x_00001.jpg"
    path.write_bytes(path.read_bytes()[:100])
    (folder / "flow_y_00002.jpg").write_bytes(jpeg(np.zeros((4, 4), np.uint8)))
    opened = two_stream.read(folder)
    with pytest.raises(DataError, match=r"flow_x_00001\.jpg is no picture"):
        opened.flow(1)
    with pytest.raises(DataError, match=r"flow_y_00002\.jpg: a picture of 4 x 4 pixels, where flow_x_00002\.jpg has 10 x 8"):
        opened.flow(2)


def test_what_is_no_such_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no"):
        two_stream.read(tmp_path)
    with pytest.raises(DataError, match="gone is no folder"):
        two_stream.read(tmp_path / "gone")
    with pytest.raises(ConfigError, match="did you mean 'denseflow'"):
        two_stream.read(tmp_path, "densflow")


def test_lists_come_back_and_bad_lines_are_named(tmp_path: Path) -> None:
    clips = [Clip("v_ApplyEyeMakeup_g08_c01", 119, 0), Clip("v_Juggling_g03_c02", 131, 45)]
    path = tmp_path / clip_list.name_of("train", "flow", "1")
    clip_list.write(path, clips)
    assert path.name == "train_flow_split1.txt" and path.read_text() == "v_ApplyEyeMakeup_g08_c01 119 0\nv_Juggling_g03_c02 131 45\n"
    assert clip_list.read(path) == clips
    with pytest.raises(DataError, match="no blanks"):
        clip_list.write(path, [Clip("two words", 1, 0)])
    path.write_text("v 1 0\n\nv 1\n")
    with pytest.raises(DataError, match=r"train_flow_split1\.txt, line 3: expected"):
        clip_list.read(path)
