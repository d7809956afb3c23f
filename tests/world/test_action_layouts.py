"""Worlds of clips lie on disk as UCF101, HMDB51 and Kinetics do; their adapters read what the truth says."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

import stages.world
from cache.errors import ConfigError
from pipeline.cli import cli
from stages.index.adapters import adapter
from stages.index.dataset import Dataset
from stages.index.holdings import holdings
from stages.index.soundness import check
from stages.world import MODULES, WorldParams
from world import acted, clips, truth
from world.generate import ACTED, OTHERS, generate
from world.layout import Shown

LAYOUTS = ("ucf101", "hmdb51", "kinetics")
#: Classes of each few-shot split, clips of a class, groups of a class: less than a tiny world has.
FEW = ((2, 1, 2), 4, 3)
CLIPS, CLASSES = 20, 5


#: Plan, seed and container of a film -> the video and its keypoints.
FILMED: dict[tuple[str, int, str], list[bytes]] = {}


def film_once(job: tuple[str, int, acted.Take], film: Any = acted._film) -> None:
    """As :func:`world.acted._film`; a film that is in another layout already is copied."""
    out, seed, take = Path(job[0]), *job[1:]
    files = [out / take.path, out / "truth" / f"{take.id}.npz"]
    made = FILMED.get(known := (repr(take.plan), seed, files[0].suffix))
    if made is None:
        film(job)
        FILMED[known] = [file.read_bytes() for file in files]
    else:
        for file, data in zip(files, made, strict=True):
            file.write_bytes(data)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("actions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acted, "_film", film_once)
        patch.setitem(clips.SIZES, "tiny", FEW)
        for layout in LAYOUTS:
            generate(base / layout, layout, "tiny", 3)
    return {layout: base / layout for layout in LAYOUTS}


def read(root: Path, layout: str) -> Dataset:
    found = adapter(layout)
    dataset = found.read(root)
    check(dataset, found.holds)
    return dataset


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_adapter_reads_what_the_truth_says(layout: str, worlds: dict[str, Path]) -> None:
    root = worlds[layout]
    dataset, rows = read(root, layout), {row["id"]: row for row in truth.videos(root)}
    said = {one.video_id: one.classes for one in dataset.annotations}
    assert len(dataset.videos) == CLIPS and len(dataset.classes) == CLASSES
    assert {video.id for video in dataset.videos} == rows.keys() and not dataset.notes and not dataset.absent
    for video in dataset.videos:
        row = rows[video.id]
        assert (video.path, said[video.id]) == (row["path"], (row["class"],))
        assert video.splits == (*row["splits"], f"few-shot/{row['few_shot']}")
    found = holdings(layout, root)
    assert len(found.there) == CLIPS and not found.missing and not found.unused


@pytest.mark.parametrize("layout", LAYOUTS)
def test_few_shot_splits_share_no_class(layout: str, worlds: dict[str, Path]) -> None:
    dataset = read(worlds[layout], layout)
    of = {one.video_id: one.classes[0] for one in dataset.annotations}
    parts = {split: {of[v.id] for v in dataset.videos if split in v.splits} for split in dataset.splits if split.startswith("few-shot/")}
    assert [len(names) for names in parts.values()] == list(FEW[0]) and len(set.union(*parts.values())) == CLASSES
    assert dataset.about["few_shot"]["lists"].startswith("splits/")


@pytest.mark.parametrize("layout", ["ucf101", "hmdb51"])
def test_no_group_is_in_both_parts_of_a_fold_and_every_part_has_every_class(layout: str, worlds: dict[str, Path]) -> None:
    rows = list(truth.videos(worlds[layout]))
    for fold in ("1", "2", "3"):
        parts = {part: {(r["class"], r["group"]) for r in rows if f"{fold}/{part}" in r["splits"]} for part in ("train", "test")}
        assert not parts["train"] & parts["test"]
        assert all(len({name for name, _ in groups}) == CLASSES for groups in parts.values())


def test_clips_of_ucf101_have_the_official_names(worlds: dict[str, Path]) -> None:
    root = worlds["ucf101"]
    for row in truth.videos(root):
        assert re.fullmatch(r"UCF-101/(\w+)/v_\1_g0[1-3]_c0[12]\.avi", row["path"])
    lines = (root / "ucfTrainTestlist" / "trainlist01.txt").read_text().splitlines()
    assert all(re.fullmatch(r"(\w+)/v_\1_g\d\d_c\d\d\.avi [1-5]", line) for line in lines)
    assert not any(" " in line for line in (root / "ucfTrainTestlist" / "testlist01.txt").read_text().splitlines())


def test_names_of_hmdb51_say_how_many_people_there_are_and_whether_the_camera_moves(worlds: dict[str, Path]) -> None:
    root = worlds["hmdb51"]
    for row in truth.videos(root):
        match = re.fullmatch(rf"Film_\d\d_{row['class']}_f_(cm|nm)_np(\d)_(fr|le|ri)_med_\d", row["id"])
        assert match and int(match[2]) == len(row["plan"]["actors"])
        assert (match[1] == "nm") == (row["plan"]["camera"]["move"] == "still")


def test_lists_of_hmdb51_have_the_three_flags(worlds: dict[str, Path]) -> None:
    lists = sorted((worlds["hmdb51"] / "testTrainMulti_7030_splits").iterdir())
    flags = Counter(line.split()[1] for path in lists for line in path.read_text().splitlines())
    assert len(lists) == 3 * CLASSES and set(flags) == {"0", "1", "2"}
    assert all(line.endswith(" ") for line in lists[0].read_text().splitlines())


def test_classes_of_kinetics_have_blanks_in_tables_and_underscores_as_folders(worlds: dict[str, Path]) -> None:
    root = worlds["kinetics"]
    rows = [row for part in ("train", "val", "test") for row in csv.DictReader((root / "annotations" / f"{part}.csv").open())]
    assert len(rows) == CLIPS and list(rows[0]) == ["label", "youtube_id", "time_start", "time_end", "split"]
    assert {row["label"] for row in rows} >= {"sitting down"} and (root / "train" / "sitting_down").is_dir()
    assert (root / "splits/kineticsTrainTestlist/testlist03.txt").read_text().count("sitting down/") == 4


def test_the_few_shot_layout_of_kinetics_needs_no_tables(worlds: dict[str, Path]) -> None:
    whole, few = (read(worlds["kinetics"], layout) for layout in ("kinetics", "kinetics-few-shot"))
    assert [(v.id, v.path, v.splits[-1:]) for v in whole.videos] == [(v.id, v.path, v.splits) for v in few.videos]
    assert few.classes == whole.classes and few.annotations == whole.annotations


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_decode_to_what_was_planned_and_keypoints_lie_beside(layout: str, worlds: dict[str, Path]) -> None:
    root = worlds[layout]
    for row in list(truth.videos(root))[::9]:
        with av.open(str(root / row["path"])) as container:
            assert len(container.streams.audio) == 1
            assert sum(1 for _ in container.decode(video=0)) == row["plan"]["frames"]
        stored = np.load(root / "truth" / f"{row['id']}.npz")
        points, _ = truth.picture_keypoints(truth.film(row))
        assert np.abs(points - stored["keypoints"]).max() < 0.2


@pytest.mark.parametrize("layout", ["ucf101", "kinetics"])
def test_workers_change_no_byte(layout: str, worlds: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clips.SIZES, "tiny", FEW)
    generate(tmp_path / "again", layout, "tiny", 3, workers=2)
    assert digests(tmp_path / "again") == digests(worlds[layout])


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_world_of_chosen_actions_is_read_as_any_other(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acted, "_film", film_once)
    monkeypatch.setitem(clips.SIZES, "tiny", FEW)
    generate(tmp_path, layout, "tiny", 3, shown=Shown(("wave", "jump"), "plain"))
    dataset, rows = read(tmp_path, layout), list(truth.videos(tmp_path))
    assert len(dataset.classes) == 2 and len(dataset.videos) == 8
    assert {row["action"] for row in rows} == {"wave", "jump"} and {len(row["plan"]["actors"]) for row in rows} == {1}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_world_of_one_clip_a_person_is_read_as_any_other(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acted, "_film", film_once)
    generate(tmp_path, layout, "tiny", 3, shown=Shown(("wave",), "plain", clips=5, groups=5))
    dataset, rows = read(tmp_path, layout), list(truth.videos(tmp_path))
    assert len(dataset.videos) == 5 and sorted(row["group"] for row in rows) == [1, 2, 3, 4, 5]


def test_actions_are_chosen_in_worlds_of_clips_alone(tmp_path: Path) -> None:
    asked = ["world", "--action", "wave", "--size", "tiny", "--out", str(tmp_path / "new")]
    refused = CliRunner().invoke(cli, asked)
    assert refused.exit_code and "--layout ucf101, hmdb51, kinetics" in refused.output
    assert not (tmp_path / "new").exists()


def test_a_full_directory_is_refused(worlds: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="already holds a data set"):
        generate(worlds["ucf101"], "hmdb51", "tiny", 3)


def test_each_layout_depends_on_its_own_module() -> None:
    assert MODULES == OTHERS
    assert ACTED == (*LAYOUTS, "thumos14", "kinetics-sound") == stages.world.ACTED["layout"]
    assert WorldParams(layout="ucf101").modules == ("world.ucf101",) and WorldParams(layout="ucf101").data == ()
