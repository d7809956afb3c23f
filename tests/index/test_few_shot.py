"""Few-shot splits: the shipped lists are the published ones, the data root's own come first, and wrong lines are named."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context, Quiet
from pipeline.mediascan import scan
from stages.index import IndexParams
from stages.index.annotations import Problems
from stages.index.few_shot import SHIPPED, key, read_lists, split
from stages.index.run import run
from stages.index.sources import sources
from stages.index.ucf101 import read

COUNTS = {"ucf_ARN": ((70, 9154), (10, 1421), (21, 2745)), "hmdb_ARN": ((31, 4280), (10, 1194), (10, 1292))}
COUNTS["kineticsTrainTestlist"] = ((64, 6400), (12, 1200), (24, 2400))


def shipped(folder: str) -> list[str]:
    return [line for part in ("train", "val", "test") for line in (SHIPPED / folder / f"{part}list03.txt").read_text().splitlines()]


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    """Two classes, one clip each, and lists of its own."""
    root = tmp_path / "ucf"
    (root / "ucfTrainTestlist").mkdir(parents=True)
    (root / "splits" / "ucf_ARN").mkdir(parents=True)
    (root / "ucfTrainTestlist" / "classInd.txt").write_text("1 Archery\n2 Biking\n")
    for fold in (1, 2, 3):
        (root / "ucfTrainTestlist" / f"trainlist0{fold}.txt").write_text("Archery/v_Archery_g01_c01.avi 1\n")
        (root / "ucfTrainTestlist" / f"testlist0{fold}.txt").write_text("Biking/v_Biking_g01_c01.avi\n")
    for part, name in (("train", "Archery/v_Archery_g01_c01"), ("test", "Biking/v_Biking_g01_c01")):
        (root / "splits" / "ucf_ARN" / f"{part}list03.txt").write_text(f"{name}\n")
    for name in ("Archery", "Biking"):
        (root / "UCF-101" / name).mkdir(parents=True)
        (root / "UCF-101" / name / f"v_{name}_g01_c01.avi").write_text(name)
    return root


def own(root: Path, part: str) -> Path:
    return root / "splits" / "ucf_ARN" / f"{part}list03.txt"


@pytest.mark.parametrize("folder", sorted(COUNTS))
def test_the_shipped_lists_are_those_that_the_readme_counts(folder: str, tmp_path: Path) -> None:
    problems = Problems()
    lists = read_lists(tmp_path, folder, problems)
    assert not problems.found and not lists.own
    for part, (classes, clips) in zip(("train", "val", "test"), COUNTS[folder]):
        lines = [line for line in lists.lines if line.split == f"few-shot/{part}"]
        assert (len({line.label for line in lines}), len(lines)) == (classes, clips)


def test_the_shipped_lists_have_the_bytes_that_their_sums_say() -> None:
    sums = dict(reversed(line.split("  ")) for line in (SHIPPED / "SHA256SUMS").read_text().splitlines())
    assert (
        sums == {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in SHIPPED.glob("*/*.txt")}
        and len(sums) == 9
    )


def test_every_clip_of_ucf101_is_in_one_shipped_list_and_folds_have_their_published_sizes(tmp_path: Path) -> None:
    clips = sorted(shipped("ucf_ARN"))
    names = sorted({clip.partition("/")[0] for clip in clips})
    (tmp_path / "ucfTrainTestlist").mkdir()
    (tmp_path / "ucfTrainTestlist" / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(names, 1)))
    for fold in (1, 2, 3):  # the official folds test seven groups each, in order
        lines = {True: "", False: ""}
        for clip in clips:
            lines[7 * (fold - 1) < int(re.search(r"_g(\d\d)_", clip)[1]) <= 7 * fold] += f"{clip}.avi\n"  # type: ignore[index]
        (tmp_path / "ucfTrainTestlist" / f"testlist0{fold}.txt").write_text(lines[True])
        (tmp_path / "ucfTrainTestlist" / f"trainlist0{fold}.txt").write_text(lines[False])
    dataset = read(tmp_path)
    counts = Counter(split for video in dataset.videos for split in video.splits)
    assert len(names) == 101 and counts == {
        "1/train": 9537,
        "1/test": 3783,
        "2/train": 9586,
        "2/test": 3734,
        "3/train": 9624,
        "3/test": 3696,
        "few-shot/train": 9154,
        "few-shot/val": 1421,
        "few-shot/test": 2745,
    }
    assert dataset.about["few_shot"]["not_there"] == 0


def test_lists_in_the_data_root_come_first(ucf: Path, make_context: Callable[..., Context]) -> None:
    dataset = read(ucf)
    assert [video.splits[-1] for video in dataset.videos] == ["few-shot/train", "few-shot/test"]
    assert dataset.about["few_shot"] == {
        "lists": "splits/ucf_ARN",
        "clips": {"few-shot/train": 1, "few-shot/val": 0, "few-shot/test": 1},
        "not_there": 0,
    }
    assert {"splits/ucf_ARN/trainlist03.txt", "splits/ucf_ARN/testlist03.txt"} <= set(sources(IndexParams(layout="ucf101"), ucf))
    ctx = make_context(ucf, layout="ucf101")
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 2}


def test_a_clip_that_only_the_roots_own_list_names_is_missing(ucf: Path, make_context: Callable[..., Context]) -> None:
    own(ucf, "val").write_text("Bowling/v_Bowling_g01_c01\n")
    ctx = make_context(ucf, layout="ucf101")
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert (lost.id, lost.state) == ("few-shot/val: Bowling/v_Bowling_g01_c01", "missing")
    assert lost.reason == "splits/ucf_ARN/vallist03.txt, line 1: the dataset has no such clip"


def test_doctor_counts_it_as_missing_too(ucf: Path) -> None:
    own(ucf, "val").write_text("Bowling/v_Bowling_g01_c01\n")
    tally = scan("ucf101", ucf, memo="", decode=False, workers=1, timeout=60, keep=True, bar=Quiet)
    assert tally.counts == {"missing": 1, "not_media": 2} and tally.rows is not None
    assert tally.rows[0]["reason"] == "splits/ucf_ARN/vallist03.txt, line 1: the dataset has no such clip"


def test_without_lists_of_its_own_a_dataset_of_other_clips_has_no_few_shot_splits(tmp_path: Path) -> None:
    found = split(tmp_path, "ucf_ARN", ["v_Singing_g01_c01"], Problems())
    assert (found.splits, found.about, found.absent) == ((), {}, {})


def test_clips_are_found_whatever_their_capitals_blanks_and_endings(ucf: Path) -> None:
    own(ucf, "train").write_text("archery/V_ARCHERY_g01 c01.avi\n")
    assert read(ucf).videos[0].splits[-1] == "few-shot/train"
    assert key("blasting sand/-kYzxMKp514_000086 000096.mp4") == "-kyzxmkp514_000086_000096"


def test_capitals_tell_clips_apart_where_they_must(tmp_path: Path) -> None:
    (tmp_path / "splits" / "kineticsTrainTestlist").mkdir(parents=True)
    for part, clip in (("train", "yawning/AbCdEfGhIjK_000001_000011"), ("test", "baking/zzzzzzzzzzz_000001_000011")):
        (tmp_path / "splits" / "kineticsTrainTestlist" / f"{part}list03.txt").write_text(f"{clip}\n")
    ids = ["AbCdEfGhIjK_000001_000011", "abcdefghijk_000001_000011"]
    assert split(tmp_path, "kineticsTrainTestlist", ids, Problems()).of == {ids[0]: "few-shot/train"}


@pytest.mark.parametrize(
    ("part", "line", "says"),
    [
        ("train", "v_Archery_g01_c02", "trainlist03.txt, line 2: expected '<class>/<clip>', found 'v_Archery_g01_c02'"),
        ("train", "Archery/", "trainlist03.txt, line 2: expected '<class>/<clip>', found 'Archery/'"),
        ("train", "Archery/../v_x", "trainlist03.txt, line 2: expected '<class>/<clip>'"),
        ("train", "Archery/v_\x07", "trainlist03.txt, line 2: a name that is no text"),
        ("test", "Biking/V_BIKING_g01_c01", "testlist03.txt, line 2: V_BIKING_g01_c01 is in few-shot/test already"),
        ("test", "Archery/v_Archery_g01_c01", "testlist03.txt, line 2: v_Archery_g01_c01 is in few-shot/train already"),
        ("test", "Archery/v_Archery_g01_c02", "testlist03.txt, line 2: the class 'Archery' is in few-shot/train already"),
    ],
)
def test_a_wrong_line_is_named(part: str, line: str, says: str, ucf: Path) -> None:
    own(ucf, part).write_text(f"{own(ucf, part).read_text()}{line}\n")
    with pytest.raises(DataError) as caught:
        read(ucf)
    assert f"splits/ucf_ARN/{says}" in caught.value.message


def test_own_lists_need_a_part_to_train_and_one_to_test_on(ucf: Path) -> None:
    own(ucf, "test").unlink()
    with pytest.raises(DataError, match=r"splits/ucf_ARN/testlist03.txt is not there"):
        read(ucf)


def test_only_layouts_with_few_shot_splits_have_the_lists_in_their_key() -> None:
    assert IndexParams(layout="folder").data == IndexParams(layout="thumos14").data == ()
    assert [path.name for path in IndexParams(layout="hmdb51").data] == ["trainlist03.txt", "vallist03.txt", "testlist03.txt"]
    assert all(
        path.is_file() for layout in ("ucf101", "hmdb51", "kinetics", "kinetics-few-shot") for path in IndexParams(layout=layout).data
    )
