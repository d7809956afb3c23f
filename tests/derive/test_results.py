"""Poses that somebody else found: AlphaPose's results and MMAction2's archives in place of an expert."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from formats.official_names import part
from stages.derive import results
from stages.derive.results import Lacking, Results
from stages.derive.run import run
from tests.derive.conftest import payload
from tests.derive.test_derive_stage import lines, opened


def person(image: str, level: float) -> dict:
    return {"image_id": image, "category_id": 1, "keypoints": [level, level + 1, 0.5] * 17, "score": 2.0, "box": [1, 2, 3, 4], "idx": [0.0]}


def zipped(path: Path, videos: dict[str, list[dict]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, people in videos.items():
            archive.writestr(name, json.dumps(people))
    return path


def archive(path: Path) -> Path:
    keypoint = np.arange(2 * 4 * 17 * 2, dtype=np.float16).reshape(2, 4, 17, 2)
    score = np.ones((2, 4, 17), np.float16)
    score[1, 2] = 0
    one = {"frame_dir": "a", "total_frames": 4, "img_shape": (48, 64), "label": 3, "keypoint": keypoint, "keypoint_score": score}
    path.write_bytes(pickle.dumps({"split": {"train": ["a"]}, "annotations": [one]}))
    return path


@pytest.mark.parametrize("form", ["a/alphapose-results.json", "a.json"])
def test_results_of_each_video_lie_in_a_zip(sampled, context, tmp_path: Path, form: str) -> None:
    sampled({"a": payload([1, 3]), "b": payload([1, 3])})
    file = zipped(tmp_path / "poses.zip", {form: [person("3.jpg", 7), person("3.jpg", 9)]})
    ctx = context("skeleton", expert="results")
    ctx.files = {"results_file": file}
    run(ctx)
    assert [row["id"] for row in lines(ctx)] == ["a"] and ctx.ledger.counts() == {"few_people": 1, "missing": 1}
    assert ctx.ledger.entries["b"].reason == "poses.zip has no results for it"
    found = opened(ctx, "a").product(3)
    assert found.keypoints[:, 0].tolist() == [[7, 8, 0.5], [9, 10, 0.5]] and found.scores.tolist() == [2, 2]


def test_results_in_a_zip_that_are_too_large_lose_their_video_alone_and_say_so(sampled, context, tmp_path: Path, monkeypatch) -> None:
    sampled({"a": payload([3]), "b": payload([3])})
    file = zipped(tmp_path / "poses.zip", {"a.json": [person("3.jpg", 7)], "b/alphapose-results.json": [person("3.jpg", 9)] * 9})
    small, large = (one.file_size for one in zipfile.ZipFile(file).infolist())
    monkeypatch.setattr(results, "LARGEST", small)
    ctx = context("skeleton", expert="results")
    ctx.files = {"results_file": file}
    run(ctx)
    assert [row["id"] for row in lines(ctx)] == ["a"] and ctx.ledger.counts() == {"ok": 1, "missing": 1}
    told = f"its results in poses.zip, b/alphapose-results.json, are too large: {large:,} bytes, at most {small:,} are read"
    assert ctx.ledger.entries["b"].reason == told


def test_results_above_2_gib_do_not_hide_those_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "poses.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.json", json.dumps([person("0.jpg", 7)]))
        archive.writestr("b.json", "[]")
    whole = bytearray(file.read_bytes())
    at = whole.rindex(b"PK\x01\x02") + 24  # the size of the last file, as the list at the end says it
    whole[at : at + 4] = (3 << 30).to_bytes(4, "little")
    file.write_bytes(whole)
    found = Results(file, 0)
    assert len(found.of("a")(0, 24, 32).scores) == 1
    with pytest.raises(Lacking, match=r"b\.json, are too large: 3,221,225,472 bytes, at most 2,147,483,648 are read"):
        found.of("b")


def test_one_json_names_the_video_before_the_picture_and_counts_from_where_it_is_said(sampled, context, tmp_path: Path) -> None:
    sampled({"a": payload([0, 1])})
    file = tmp_path / "all.json"
    file.write_text(json.dumps([person("a/img_00001.jpg", 4), person("a/img_00002.jpg", 6), person("c/img_00001.jpg", 8)]))
    ctx = context("skeleton", expert="results", results_first=1)
    ctx.files = {"results_file": file}
    run(ctx)
    assert [float(opened(ctx, "a").product(number).keypoints[0, 0, 0]) for number in (0, 1)] == [4, 6]


def test_an_archive_is_scaled_to_the_frames_and_people_without_score_are_not_there(tmp_path: Path) -> None:
    found = Results(archive(tmp_path / "ucf.pkl"), 0).of("a")
    assert len(found(0, 24, 32).scores) == 2 and len(found(2, 24, 32).scores) == 1
    assert found(0, 24, 32).keypoints[0, 1].tolist() == [1, 1.5, 1] and found(0, 48, 64).keypoints[0, 1].tolist() == [2, 3, 1]


def test_frames_that_an_archive_does_not_have_lose_the_video(sampled, context, tmp_path: Path) -> None:
    sampled({"a": payload([0, 9]), "b": payload([0, 1])})
    ctx = context("skeleton", expert="results")
    ctx.files = {"results_file": archive(tmp_path / "ucf.pkl")}
    with pytest.raises(DataError, match="no video has a skeleton that can be used"):
        run(ctx)
    assert ctx.ledger.entries["a"].reason == "the archive has 4 frames of it, and frame 9 is wanted"


def test_equal_frames_of_two_ids_have_poses_of_their_own(sampled, context, tmp_path: Path) -> None:
    body = payload([1])
    sampled({"a": body, "b": body})
    ctx = context("skeleton", expert="results")
    ctx.files = {"results_file": zipped(tmp_path / "poses.zip", {"a.json": [person("1.jpg", 3)], "b.json": [person("1.jpg", 5)]})}
    run(ctx)
    assert [float(opened(ctx, id).product(1).keypoints[0, 0, 0]) for id in ("a", "b")] == [3, 5]


def test_a_file_that_is_none_of_the_three_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"none")
    (tmp_path / "no.json").write_text("{")
    for name in ("no.zip", "no.json", "not there.pkl"):
        with pytest.raises(DataError, match=name.replace(".", r"\.")):
            Results(tmp_path / name, 0)
    broken = zipped(tmp_path / "poses.zip", {"a.json": [{"image_id": "1.jpg"}]})
    with pytest.raises(DataError, match=r"poses\.zip, a\.json"):
        Results(broken, 0).of("a")


def test_an_id_may_stand_as_an_export_writes_it(tmp_path: Path) -> None:
    videos = {f"{part(id)}/alphapose-results.json": [person("0.jpg", level)] for id, level in (("a b/down", 3), ("a walk", 5))}
    found = Results(zipped(tmp_path / "poses.zip", videos), 0)
    assert [float(found.of(id)(0, 24, 32).keypoints[0, 0, 0]) for id in ("a b/down", "a walk")] == [3, 5]


def test_pictures_that_name_no_video_are_told_from_a_video_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(json.dumps([person("0.jpg", 3)]))
    with pytest.raises(Lacking, match="without a video"):
        Results(tmp_path / "all.json", 0).of("a")


def test_two_poses_of_one_video_or_of_one_frame_are_an_error_and_so_is_a_frame_before_the_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"two files of the video 'a'"):
        Results(zipped(tmp_path / "poses.zip", {"a.json": [], "a/alphapose-results.json": []}), 0)
    for name, other, said in (("2.jpg", "img_002.jpg", "two pictures have the number"), ("0.jpg", "1.jpg", "before the first one")):
        (tmp_path / "all.json").write_text(json.dumps([person(f"a/{name}", 3), person(f"a/{other}", 3)]))
        with pytest.raises(DataError, match=said):
            Results(tmp_path / "all.json", 1).of("a")


def test_poses_are_brought_to_the_size_of_the_frames(sampled, context, tmp_path: Path) -> None:
    sampled({"a": payload([0])})
    ctx = context("skeleton", expert="results", width=16, height=48)
    ctx.files = {"results_file": zipped(tmp_path / "poses.zip", {"a.json": [person("0.jpg", 7)]})}
    run(ctx)
    found = opened(ctx, "a").product(0)
    assert found.keypoints[0, 0].tolist() == [3.5, 16, 0.5] and found.boxes.tolist() == [[0.5, 4, 1.5, 8]]
