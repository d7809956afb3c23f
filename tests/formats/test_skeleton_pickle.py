"""Skeleton archives of MMAction2: read without running what their pickles name."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.errors import DataError
from formats import plain_pickle
from formats.skeleton_pickle import read_archive


def annotation(name: str = "v_Archery_g01_c01", people: int = 2, frames: int = 3, kind: str = "f2") -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "frame_dir": name,
        "total_frames": frames,
        "img_shape": (240, 320),
        "original_shape": (240, 320),
        "label": 2,
        "keypoint": rng.uniform(0, 240, (people, frames, 17, 2)).astype(kind),
        "keypoint_score": rng.random((people, frames, 17)).astype(kind),
    }


def archive(*annotations: Any) -> dict[str, Any]:
    return {"split": {"train1": ["v_Archery_g01_c01"], "test1": []}, "annotations": list(annotations)}


def kept(tmp_path: Path, value: Any, protocol: int = 4) -> Path:
    path = tmp_path / "ucf101_2d.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f8"])
def test_an_archive_of_any_protocol_is_read(tmp_path: Path, protocol: int, kind: str) -> None:
    one = annotation(kind=kind)
    one["keypoint"] = np.asfortranarray(one["keypoint"])
    found = read_archive(kept(tmp_path, archive(one), protocol))
    assert found.splits == {"train1": ("v_Archery_g01_c01",), "test1": ()}
    video = found.videos["v_Archery_g01_c01"]
    assert (video.label, video.height, video.width, video.frames) == (2, 240, 320, 3)
    np.testing.assert_array_equal(video.keypoints, one["keypoint"])
    np.testing.assert_array_equal(video.people(1)[..., 2], one["keypoint_score"][:, 1].astype(np.float32))


def test_names_of_numpy_before_and_since_version_2_are_known(tmp_path: Path) -> None:
    path = kept(tmp_path, archive(annotation()))
    data = path.read_bytes()
    old = data.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    assert old != data
    head = data.index(b"\x95")  # the frame's length, which the shorter name has changed
    length = int.from_bytes(data[head + 1 : head + 9], "little") - (len(data) - len(old))
    path.write_bytes(old[: head + 1] + length.to_bytes(8, "little") + old[head + 9 :])
    assert list(read_archive(path).videos) == ["v_Archery_g01_c01"]


def test_somebody_without_a_score_is_not_there(tmp_path: Path) -> None:
    one = annotation()
    one["keypoint_score"][1, 2] = 0
    video = read_archive(kept(tmp_path, archive(one))).videos["v_Archery_g01_c01"]
    assert [len(video.people(t)) for t in range(3)] == [2, 2, 1]


class Harm:
    def __reduce__(self) -> Any:
        return os.system, ("touch harm",)


@pytest.mark.parametrize(
    ("value", "named"),
    [(Harm(), "system"), (Path("x"), "Path"), (np.array([Harm()], object), "objects|O8"), (np.random.default_rng(0), "numpy")],
)
def test_what_is_not_plain_data_is_refused_by_name_and_never_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=named):
        read_archive(kept(tmp_path, archive({**annotation(), "more": value})))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"keypoint": np.zeros((2, 3, 25, 3), "f4")},
        {"keypoint": [1, 2]},
        {"keypoint_score": np.zeros((2, 3, 16), "f4")},
        {"keypoint": np.zeros((2, 3, 17, 2), "i4")},
        {"img_shape": (240,)},
        {"total_frames": 4},
        {"label": "two"},
        {"frame_dir": 3},
    ],
)
def test_an_annotation_of_another_form_is_refused_by_its_number(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="annotation 1"):
        read_archive(kept(tmp_path, archive(annotation(), {**annotation("v_other"), **change})))


@pytest.mark.parametrize("value", [3, {"annotations": []}, {"annotations": [3], "split": {}}, {"annotations": [], "split": {"a": [1]}}])
def test_what_is_no_archive_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError):
        read_archive(kept(tmp_path, value))


def test_the_same_video_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        read_archive(kept(tmp_path, archive(annotation(), annotation())))


@pytest.mark.parametrize("cut", [0, 1, 50, 300, -1])
def test_a_damaged_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = kept(tmp_path, archive(annotation()))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="no pickle"):
        read_archive(path)


def test_bytes_that_do_not_fill_an_array_are_refused() -> None:
    noted = plain_pickle.reads(pickle.dumps(np.zeros((3, 4), np.float32), 2))
    assert plain_pickle.array(noted).shape == (3, 4)
    noted.shape = (1 << 40, 4)
    with pytest.raises(ValueError, match="bytes for an array"):
        plain_pickle.array(noted)


def test_numbers_of_numpy_are_read_as_numbers() -> None:
    assert plain_pickle.reads(pickle.dumps([np.float32(0.5), np.int64(3)])) == [0.5, 3]
