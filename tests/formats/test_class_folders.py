"""HMDB51's layout of folders of classes is read, and turned into the flat one that two-stream programs read."""

from pathlib import Path

import pytest

from cache.errors import DataError
from formats import class_folders, clip_list
from formats.clip_list import Clip


def folders(root: Path, videos: dict[str, int]) -> Path:
    for video, count in videos.items():
        (root / video).mkdir(parents=True)
        (root / video / "n_frames").write_text(f"{count}\n")
        for number in range(1, count + 1):
            (root / video / f"image_{number:05d}.jpg").write_bytes(f"{video} {number}".encode())
    return root


def listed(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_list_is_read_with_the_counts_of_its_folders(tmp_path: Path) -> None:
    root = folders(tmp_path / "frames", {"clap/a_1": 2, "kick/b_1": 0})
    clips = class_folders.read(listed(tmp_path / "hmdb51_train.txt", "clap/a_1 4\n\nkick/b_1 20\n"), root)
    assert clips == [Clip("clap/a_1", 2, 4), Clip("kick/b_1", 0, 20)]


def test_flattened_folders_are_read_by_the_list_of_two_stream_programs(tmp_path: Path) -> None:
    root, out = folders(tmp_path / "frames", {"clap/a_1": 2, "kick/b_1": 1}), tmp_path / "flat"
    flat = class_folders.flatten([Clip("clap/a_1", 2, 4), Clip("kick/b_1", 1, 20)], root, out)
    assert flat == [Clip("a_1", 2, 4), Clip("b_1", 1, 20)]
    assert (out / "a_1" / "img_00002.jpg").read_bytes() == b"clap/a_1 2"
    clip_list.write(tmp_path / "train_rgb_split1.txt", flat)
    assert clip_list.read(tmp_path / "train_rgb_split1.txt") == flat


@pytest.mark.parametrize(
    ("text", "count", "said"),
    [
        ("clap/a_1\n", "2", r"line 1: expected '<class>/<video> <label>'"),
        ("clap/../a_1 3\n", "2", "line 1: expected"),
        ("../a_1 3\n", "2", "line 1: expected"),
        ("clap/a_1 4\n", "two", r"n_frames: expected one number, found 'two'"),
        ("clap/a_2 4\n", "2", r"a_2/n_frames cannot be read"),
    ],
)
def test_a_bad_line_or_count_is_named(tmp_path: Path, text: str, count: str, said: str) -> None:
    root = folders(tmp_path / "frames", {"clap/a_1": 1})
    (root / "clap/a_1/n_frames").write_text(count)
    with pytest.raises(DataError, match=said):
        class_folders.read(listed(tmp_path / "list.txt", text), root)


def test_flattening_refuses_missing_pictures_and_equal_names(tmp_path: Path) -> None:
    root = folders(tmp_path / "frames", {"clap/a": 1, "kick/a": 1})
    with pytest.raises(DataError, match="another class has a video 'a' too"):
        class_folders.flatten([Clip("clap/a", 1, 0), Clip("kick/a", 1, 1)], root, tmp_path / "one")
    with pytest.raises(DataError, match=r"image_00002\.jpg cannot be read"):
        class_folders.flatten([Clip("clap/a", 2, 0)], root, tmp_path / "two")
