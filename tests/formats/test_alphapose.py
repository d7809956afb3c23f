"""AlphaPose's results, written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import ConfigError, DataError
from formats.alphapose import FORMS, NAME, ORDER, Skeletons, image_number, read_results, results, with_neck, write_results


def skeletons(people: int, seed: int = 0) -> Skeletons:
    rng = np.random.default_rng(seed)
    keypoints = rng.normal(50, 30, (people, 17, 3)).astype(np.float32)
    keypoints[..., 2] = rng.random((people, 17))
    return Skeletons.of(keypoints, rng.random((people, 4)).astype(np.float32), rng.random(people).astype(np.float32))


def written(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / NAME
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_what_was_written_is_read_back(tmp_path: Path, form: str) -> None:
    people = {"1.jpg": skeletons(2), "0.jpg": skeletons(1, 1), "2.jpg": skeletons(0)}
    back = read_results(write_results(tmp_path, people, form))
    assert list(back) == ["1.jpg", "0.jpg"], "a picture without people has no entry"
    for name, found in back.items():
        np.testing.assert_array_equal(found.keypoints, people[name].keypoints)
        if form == "coco":
            np.testing.assert_array_equal(found.boxes, people[name].boxes)
            np.testing.assert_array_equal(found.scores, people[name].scores)
            assert found.ids == people[name].ids


def test_the_neck_is_the_mean_of_the_shoulders_and_every_other_joint_is_there_once() -> None:
    one = skeletons(1).keypoints[0]
    joints = with_neck(one)
    np.testing.assert_allclose(joints[1], one[[5, 6]].astype(float).mean(0))
    assert sorted(ORDER) == [-1, *range(17)]
    np.testing.assert_allclose(joints[2], one[6], err_msg="third comes the right shoulder")


def test_cmu_and_open_have_a_file_for_each_picture(tmp_path: Path) -> None:
    for form in ("cmu", "open"):
        path = write_results(tmp_path / form, {"a/b.c.jpg": skeletons(1), "d.jpg": skeletons(2)}, form)
        whole = json.loads(path.read_text())
        assert sorted(file.name for file in (tmp_path / form / "sep-json").iterdir()) == ["b.json", "d.json"]
        assert json.loads((tmp_path / form / "sep-json" / "d.json").read_text()) == whole["d.jpg"]


@pytest.mark.parametrize(
    ("idx", "ids"),
    [([0.0], (0.0,)), ([[0.0], [3.0]], (0.0, 3.0)), ([[2.0]], (2.0,)), (7, (7.0,)), ([1.0, 2.0], (1.0, 2.0))],
)
def test_idx_is_read_in_every_form(tmp_path: Path, idx: Any, ids: tuple[float, ...]) -> None:
    one = {**results({"x.jpg": skeletons(1)})[0], "idx": idx}
    assert read_results(written(tmp_path, [one]))["x.jpg"].ids == (ids,)


def test_a_merged_person_has_one_list_for_each_detection() -> None:
    people = skeletons(2)
    people = Skeletons(people.keypoints, people.boxes, people.scores, ((4.0,), (0.0, 3.0)))
    assert [one["idx"] for one in results({"x": people})] == [[4.0], [[0.0], [3.0]]]


def test_what_older_versions_left_out_is_made_of_the_joints(tmp_path: Path) -> None:
    one = results({"x.jpg": skeletons(1)})[0]
    del one["box"], one["idx"]
    found = read_results(written(tmp_path, [one]))["x.jpg"]
    xy = found.keypoints[0, :, :2]
    np.testing.assert_allclose(found.boxes[0], [*xy.min(0), *np.ptp(xy, axis=0)], rtol=1e-5)
    assert found.ids == ((0.0,),)


def test_of_more_joints_the_first_17_are_read(tmp_path: Path) -> None:
    one = results({"x.jpg": skeletons(1)})[0]
    longer = {**one, "keypoints": one["keypoints"] + [1.0] * 27}
    np.testing.assert_array_equal(
        read_results(written(tmp_path, [longer]))["x.jpg"].keypoints, read_results(written(tmp_path, [one]))["x.jpg"].keypoints
    )


def test_numbered_results_have_the_number_at_the_end_of_the_name() -> None:
    assert [one["image_id"] for one in results({"COCO_val2014_000000000139.jpg": skeletons(1)}, numbered=True)] == [139]
    assert image_number("000000000139.jpg") == 139
    with pytest.raises(DataError, match="no number"):
        image_number("frame.jpg")


@pytest.mark.parametrize(
    "value",
    [
        3,
        ["x"],
        [{"image_id": "x"}],
        [{"image_id": "x", "keypoints": [1.0] * 50}],
        [{"image_id": "x", "keypoints": [1.0] * 48}],
        [{"image_id": "x", "keypoints": ["1"] * 51}],
        [{"image_id": "x", "keypoints": [float("nan")] * 51}],
        [{"image_id": "x", "keypoints": [10**400] * 51}],
        [{"image_id": "x", "keypoints": [1.0] * 51, "box": [1.0]}],
        [{"image_id": "x", "keypoints": [1.0] * 51, "idx": []}],
        [{"image_id": None, "keypoints": [1.0] * 51}],
        {"x.jpg": {"version": "AlphaPose v0.3"}},
        {"x.jpg": {"people": [{"pose_keypoints_2d": [1.0] * 51}]}},
        {"x.jpg": {"bodies": [3]}},
    ],
)
def test_what_is_no_result_is_refused_by_its_place(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError, match=NAME):
        read_results(written(tmp_path, value))


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"x":')
    with pytest.raises(DataError, match="not JSON"):
        read_results(tmp_path / NAME)
    with pytest.raises(DataError, match="cannot be read"):
        read_results(tmp_path / "nowhere.json")


def test_results_that_cannot_be_told_apart_or_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no name of their own"):
        write_results(tmp_path, {"a.1.jpg": skeletons(1), "a.2.jpg": skeletons(1)}, "cmu")
    with pytest.raises(DataError, match="no name of their own"):
        write_results(tmp_path, {"a/x.jpg": skeletons(1), "b/x.jpg": skeletons(1)})
    with pytest.raises(ConfigError, match="coco"):
        results({}, "coca")
    people = skeletons(1)
    people.keypoints[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        write_results(tmp_path, {"a.jpg": people})


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_any_other_value_of_a_person_is_refused_and_nothing_else_happens(tmp_path_factory: Any, value: Any) -> None:
    path = written(tmp_path_factory.mktemp("any"), [{"image_id": "x", "keypoints": value}])
    with pytest.raises(DataError):
        read_results(path)
