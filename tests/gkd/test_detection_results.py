"""Results and ground truth as JSON: written and read back, and refused with file, video and entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.errors import DataError
from systems.gkd.detection.results import Detection, read_results, read_truth, write_results


def test_results_are_written_in_the_published_form_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_results(path, {"v": [Detection("HighJump", 0.83, 12.2, 15.7), Detection("Diving", 0.9, 1.0, 2.0)], "w": []})
    value = json.loads(path.read_text())
    assert value["version"] == "THUMOS14" and value["external_data"] == {}
    assert value["results"]["v"][0] == {"label": "HighJump", "score": 0.83, "segment": [12.2, 15.7]} and value["results"]["w"] == []
    found = read_results(path)
    assert (found.videos, found.labels) == (["v", "v"], ["HighJump", "Diving"])
    assert found.segments.tolist() == [[12.2, 15.7], [1.0, 2.0]] and found.scores.tolist() == [0.83, 0.9]


def test_a_number_that_is_none_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"out\.json"):
        write_results(tmp_path / "out.json", {"v": [Detection("HighJump", float(np.float32(np.nan)), 1, 2)]})
    assert not (tmp_path / "out.json").exists()


def truth(tmp_path: Path, database: Any) -> Path:
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({"database": database}))
    return path


def test_times_of_a_ground_truth_may_be_strings_and_other_subsets_are_left_out(tmp_path: Path) -> None:
    entry = {"annotations": [{"segment": ["18.6", "24.8"], "label": "HighJump"}]}
    path = truth(tmp_path, {"t": {"subset": "test", **entry}, "v": {"subset": "train", **entry}})
    found = read_truth(path)
    assert found.videos == ["t"] and found.segments.tolist() == [[18.6, 24.8]]
    with pytest.raises(DataError, match="no annotation of the subset 'val'; its subsets: test, train"):
        read_truth(path, "val")


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ({"t": {"annotations": []}}, "'t': expected a subset"),
        ({"t": {"subset": "test", "annotations": [{"segment": [1], "label": "a"}]}}, "'t', annotation 0"),
        ({"t": {"subset": "test", "annotations": [{"segment": ["x", "2"], "label": "a"}]}}, "'t', annotation 0"),
        ({"t": {"subset": "test"}}, "'t': expected a list"),
        ([], 'expected {"database"'),
    ],
)
def test_a_bad_ground_truth_is_named(tmp_path: Path, database: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_truth(truth(tmp_path, database))


def test_bad_results_are_named(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    for text, said in (("{", "no JSON"), ('{"results": {"v": [{"label": "a", "segment": [1, 2]}]}}', "'v', entry 0"), ("[]", "expected")):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_results(path)
