"""The tables of AFSD's form, the published ones and people's own: read, counted, and refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import DataError
from systems.gkd.detection.tables import VideoInfo, listed, read_annotations, read_infos

INFO = (
    "video,fps,sample_fps,count,sample_count\n"
    "video_validation_0000777,30.0,10.0,2400.0,800\n"
    "video_validation_0000778,25.0,10.0,1250.0,500\n"
)
HEAD = "video,type,type_idx,start,end,startFrame,endFrame\n"
CLASSES = ("BaseballPitch", "HighJump")


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_the_published_forms_are_read(tmp_path: Path) -> None:
    infos = read_infos(table(tmp_path, INFO))
    assert infos["video_validation_0000778"] == VideoInfo(25.0, 10.0, 1250.0, 500)
    rows = HEAD + "video_validation_0000777,HighJump,40,12.1,15.6,363,468\nvideo_validation_0000777,HighJump,40,40.0,44.2,1200,1326\n"
    found = read_annotations(table(tmp_path, rows), CLASSES)
    assert found.rows["video_validation_0000777"].tolist() == [[363, 468, 2], [1200, 1326, 2]] and not found.ambiguous


def test_ambiguous_rows_are_counted_by_video(tmp_path: Path) -> None:
    found = read_annotations(
        table(tmp_path, HEAD + "a,Ambiguous,0,1.0,2.0,30,60\na,HighJump,40,1.0,2.0,30,60\nb,Ambiguous,0,1.0,2.0,30,60\n"), CLASSES
    )
    assert found.ambiguous == {"a": 1, "b": 1} and list(found.rows) == ["a"]


def test_own_tables_may_have_seconds_alone(tmp_path: Path) -> None:
    path = table(tmp_path, "video,type,start,end\na,HighJump,1.5,4\n")
    assert read_annotations(path, CLASSES, {"a": VideoInfo(25, 10, 500, 200)}).rows["a"].tolist() == [[37.5, 100, 2]]
    with pytest.raises(DataError, match=r"line 2: no startFrame and endFrame.*fps of 'a'"):
        read_annotations(path, CLASSES)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,HighJmup,40,1,2,30,60\n", r"line 2: unknown type 'HighJmup'\n.*HighJump"),
        ("a,HighJump,40,1,2,60,60\n", "line 2: an instance of 'a' from frame 60 to 60"),
        ("a,HighJump,40,1,2,30,nan\n", "line 2: endFrame is no number: 'nan'"),
        ("a,HighJump,40,1,2,30,60\n,HighJump,40,1,2,30,60\n", "line 3: no name of a video"),
        ("", "holds no row but its header"),
    ],
)
def test_bad_annotations_are_named_with_their_line(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_annotations(table(tmp_path, HEAD + rows), CLASSES)
    assert caught.match(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (INFO.replace("sample_count", "samples", 1), "line 1: no column sample_count"),
        (INFO.replace("2400.0,800", "2400.0,0"), "line 2: counts"),
        (INFO.replace("2400.0,800", "2400.0,80.5"), "line 2: counts"),
        (INFO + INFO.splitlines()[1] + "\n", "line 4: 'video_validation_0000777' stands there twice"),
        (INFO.replace("25.0", "?"), r"line 3: fps is no number: '\?'"),
    ],
)
def test_bad_counts_are_named_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_infos(table(tmp_path, text))


def test_the_annotations_of_an_index_are_the_same_in_frames() -> None:
    rows = [
        {"video_id": "a", "classes": ["HighJump"], "segment": [1.0, 4.0]},
        {"video_id": "elsewhere", "classes": ["HighJump"], "segment": [1.0, 4.0]},
        {"video_id": "a", "classes": ["HighJump", "BaseballPitch"], "segment": [5.0, 6.0]},
    ]
    found = listed(rows, CLASSES, {"a": VideoInfo(25, 10, 500, 200)}, [["a", 1, 2], ["elsewhere", 1, 2], ["a", 3, 4]])
    assert list(found.rows) == ["a"] and found.ambiguous == {"a": 2}
    assert found.rows["a"].tolist() == [[25, 100, 2], [125, 150, 2], [125, 150, 1]]


@pytest.mark.parametrize(("row", "said"), [({"segment": None}, "no part"), ({"classes": ["HighJmp"]}, "'HighJmp' is unknown\n.*HighJump")])
def test_an_index_that_is_no_detection_is_refused(row: dict[str, object], said: str) -> None:
    with pytest.raises(DataError) as caught:
        listed([{"video_id": "a", "classes": ["HighJump"], "segment": [1.0, 4.0]} | row], CLASSES, {"a": VideoInfo(25, 10, 500, 200)})
    assert caught.match(f"a: .*{said}")
