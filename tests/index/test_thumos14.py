"""THUMOS14 as it is published, with AFSD's tables: ambiguous parts, videos that a table lacks, times past the end, wrong lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.run import run
from stages.index.sources import sources
from stages.index.thumos14 import read
from tests.index.conftest import lines

VAL, TEST = "TH14_Temporal_annotations_validation/annotation", "TH14_Temporal_Annotations_Test/annotations/annotation"
TABLES = "thumos_annotations"
LISTS = {
    f"{VAL}/CliffDiving_val.txt": "video_validation_0000001  10.0 12.5\r\n",
    f"{VAL}/Diving_val.txt": "video_validation_0000001  10.0 12.5\nvideo_validation_0000001  20.0 25.0\nvideo_validation_0000002 3.1 9.0\n",
    f"{VAL}/Ambiguous_val.txt": "video_validation_0000002  30.0 31.0\n",
    f"{TEST}/CliffDiving_test.txt": "video_test_0000004  1.0 2.2\n",
    f"{TEST}/Diving_test.txt": "video_test_0000004  1.0 2.2\nvideo_test_0000007  5.5 6.5\n",
    f"{TEST}/Ambiguous_test.txt": "video_test_0000009  0.0 3.0\n",
}
INFO = "video,fps,sample_fps,count,sample_count\n"
ROWS = "video,type,type_idx,start,end,startFrame,endFrame\n"


@pytest.fixture
def thumos(tmp_path: Path) -> Path:
    root = tmp_path / "thumos"
    texts = {
        **LISTS,
        "TH14evalkit/detclasslist.txt": "22 CliffDiving\n26 Diving\n",
        f"{TABLES}/val_video_info.csv": f"{INFO}video_validation_0000001,30.0,10.0,600.0,200\n"
        "video_validation_0000002,25.0,10.0,1250.0,500\n",
        f"{TABLES}/test_video_info.csv": f"{INFO}video_test_0000004,30.0,10.0,2400.0,800\nvideo_test_0000007,30.0,10.0,2400.0,800\n",
        f"{TABLES}/val_Annotation_ours.csv": f"{ROWS}video_validation_0000002,Diving,26,3.1,9.0,77,225\n",
        f"{TABLES}/thumos_gt.json": json.dumps(
            {
                "database": {
                    "video_test_0000004": {
                        "subset": "test",
                        "annotations": [
                            {"segment": ["1.0", "2.2"], "label": "CliffDiving"},
                            {"segment": ["1.0", "2.2"], "label": "Diving"},
                        ],
                    },
                    **{f"video_validation_000000{n}": {"subset": "train", "annotations": []} for n in (1, 2)},
                }
            }
        ),
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    for folder, ids in (
        ("validation", ("validation_0000001", "validation_0000002")),
        ("test", ("test_0000004", "test_0000007", "test_0000009")),
    ):
        (root / folder).mkdir()
        for id in ids:
            (root / folder / f"video_{id}.mp4").write_text(id)
    return root


def test_instances_are_indexed_with_their_times(thumos: Path, make_context: Callable[..., Context]) -> None:
    ctx = make_context(thumos, layout="thumos14")
    run(ctx)
    media = {row["id"]: (row["path"], row["splits"]) for row in lines(ctx.out / "media.jsonl")}
    assert media["video_validation_0000001"] == ("validation/video_validation_0000001.mp4", ["val"]) and len(media) == 5
    said = lines(ctx.out / "annotations.jsonl")
    assert len(said) == 7 and {row["classes"][0] for row in said} == {"CliffDiving", "Diving"}
    assert {"video_id": "video_validation_0000001", "classes": ["Diving"], "segment": [20.0, 25.0]} in said
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert about["classes"] == ["CliffDiving", "Diving"] and about["numbers"] == [22, 26]
    assert about["annotations"] == {"val": 4, "test": 3}


def test_an_instance_of_two_classes_is_two_annotations(thumos: Path) -> None:
    both = [one.classes[0] for one in read(thumos).annotations if one.segment == (10.0, 12.5)]
    assert both == ["CliffDiving", "Diving"]


def test_ambiguous_parts_are_kept_beside_the_annotations(thumos: Path) -> None:
    assert read(thumos).about["ambiguous"] == [["video_validation_0000002", 30.0, 31.0], ["video_test_0000009", 0.0, 3.0]]


def test_what_is_odd_about_a_video_is_in_the_ledger(thumos: Path, make_context: Callable[..., Context]) -> None:
    ctx = make_context(thumos, layout="thumos14")
    run(ctx)
    told = {entry.id: entry.reason for entry in ctx.ledger.sorted() if entry.state == "noted"}
    assert told == {
        "video_validation_0000001": "an instance ends at 25 s, and the video has 20.0 s",
        "video_test_0000007": "thumos_gt.json lacks it, so what is found in it is not scored",
        "video_test_0000009": "it has ambiguous parts only, no instance; test_video_info.csv lacks it; "
        "thumos_gt.json lacks it, so what is found in it is not scored",
    }
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert about["not_scored"] == ["video_test_0000007", "video_test_0000009"]
    assert about["video_info"]["video_validation_0000002"] == [25.0, 10.0, 1250.0, 500]
    assert about["tables"] == {
        "val_Annotation_ours.csv": {"instances": 1, "not_in_lists": 0, "lacks": 3},
        "thumos_gt.json": {"instances": 2, "not_in_lists": 0, "lacks": 5},
    }


def test_a_video_that_only_a_table_names_is_indexed_and_noted(thumos: Path) -> None:
    path = thumos / TABLES / "test_video_info.csv"
    path.write_text(f"{path.read_text()}video_test_0000011,30.0,10.0,300.0,100\n")
    dataset = read(thumos)
    assert "video_test_0000011" in {video.id for video in dataset.videos}
    assert dataset.notes["video_test_0000011"].startswith("it has no instance in the lists; thumos_gt.json lacks it")


def test_the_lists_alone_will_do(thumos: Path) -> None:
    (thumos / TABLES).rename(thumos / "elsewhere")
    dataset = read(thumos)
    assert len(dataset.videos) == 5 and set(dataset.about) == {"numbers", "ambiguous"}
    assert dataset.notes == {"video_test_0000009": "it has ambiguous parts only, no instance"}


def test_a_video_without_a_file_is_missing(thumos: Path, make_context: Callable[..., Context]) -> None:
    (thumos / "test" / "video_test_0000004.mp4").unlink()
    ctx = make_context(thumos, layout="thumos14")
    run(ctx)
    assert [(entry.id, entry.state) for entry in ctx.ledger.lost()] == [("video_test_0000004", "missing")]


def test_folders_may_be_called_as_archives_call_them(thumos: Path) -> None:
    (thumos / "test").rename(thumos / "TH14_test_set_mp4")
    (thumos / "TH14evalkit" / "detclasslist.txt").rename(thumos / TABLES / "Class Index_Detection.txt")
    (thumos / "TH14_test_set_mp4" / "video_test_1111111.mp4").write_text("annotated by nobody")
    found = set(sources(IndexParams(layout="thumos14"), thumos))
    paths = {video.path for video in read(thumos).videos}
    assert "TH14_test_set_mp4/video_test_0000004.mp4" in paths and paths < found and f"{TABLES}/Class Index_Detection.txt" in found
    assert f"{TEST}/Diving_test.txt" in found and f"{TABLES}/thumos_gt.json" in found


@pytest.mark.parametrize("name", ["TH14evalkit/detclasslist.txt", f"{VAL}/Diving_val.txt", f"{TEST}/CliffDiving_test.txt"])
def test_a_list_that_is_not_there_is_named(name: str, thumos: Path) -> None:
    (thumos / name).unlink()
    with pytest.raises(DataError, match=rf"{name.rpartition('/')[2]} is not there"):
        read(thumos)


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("TH14evalkit/detclasslist.txt", "HighJump", "line 3: expected '<number> <Class>', found 'HighJump'"),
        ("TH14evalkit/detclasslist.txt", "26 HighJump", "line 3: expected a new class with a number of its own, found '26 HighJump'"),
        ("TH14evalkit/detclasslist.txt", "0 Ambiguous", "line 3: expected a new class with a number of its own"),
        (f"{VAL}/Diving_val.txt", "video_validation_0000002 3.1", "line 4: expected '<video> <start> <end>'"),
        (f"{VAL}/Diving_val.txt", "../x 3.1 4.0", "line 4: expected '<video> <start> <end>'"),
        (f"{VAL}/Diving_val.txt", "video_validation_0000002 9.0 3.1", "line 4: it ends at 3.1 s, which is not after 9.0 s"),
        (f"{VAL}/Diving_val.txt", "video_test_0000004 1.0 2.2", "video_test_0000004 is in"),
        (f"{TABLES}/test_video_info.csv", "video_test_0000012,30.0,10.0,none,3", "line 4: expected four numbers above 0"),
        (f"{TABLES}/test_video_info.csv", "video_test_0000007,30.0,10.0,9,3", "line 4: video_test_0000007 stands there twice"),
        (
            f"{TABLES}/val_Annotation_ours.csv",
            "video_validation_0000002,Diving,26,x,9.0,1,2",
            "line 3: expected a start and an end, found 'x'",
        ),
    ],
)
def test_a_wrong_line_is_named(file: str, line: str, says: str, thumos: Path) -> None:
    path = thumos / file
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(DataError) as caught:
        read(thumos)
    assert says in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["[]", '{"database": 3}', "{", '{"database": {"v": {"subset": "test", "annotations": [{"segment": ["x", "1"], "label": "a"}]}}}'],
)
def test_a_wrong_json_is_named(text: str, thumos: Path) -> None:
    (thumos / TABLES / "thumos_gt.json").write_text(text)
    with pytest.raises(DataError, match=r"thumos_gt\.json"):
        read(thumos)
