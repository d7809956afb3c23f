"""Lists of videos: the documented form is read whatever program wrote it; every other is refused with file and line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from pipeline.cli.make_records import make_records
from pipeline.describe.listing import LARGEST, read_list

FIELD = Path(__file__).parents[1] / "data" / "field" / "lists"
EXPECTED = [("a", (52, 3, 10)), ("sub/ü", ()), ("c", ())]


def read(path: Path, data: bytes) -> list[tuple[str, tuple[int, ...]]]:
    path.write_bytes(data)
    found = read_list(path)
    assert all(own.path.with_suffix("") == path.parent / own.id for own in found)
    return [(own.id, own.labels) for own in found]


@pytest.mark.parametrize(
    "text",
    [
        "a.mp4,52;3;10\n\nsub/ü.mp4,\nc.mp4\n",
        "a.mp4,52;3;10\r\n   \r\nsub/ü.mp4,\r\nc.mp4",
        "\ufeffa.mp4,52;3;10\nsub/ü.mp4\nc.mp4\n",
        '"a.mp4","52;3;10"\n"sub/ü.mp4",""\n"c.mp4"\n',
        "a.mp4, 52; 3 ;10;\n sub/ü.mp4 ,\nc.mp4\n",
    ],
)
def test_a_list_names_files_and_labels_whatever_wrote_it(text: str, tmp_path: Path) -> None:
    assert read(tmp_path / "list.csv", text.encode()) == EXPECTED


def test_files_may_lie_anywhere_and_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "v1.mp4 1").write_text("")
    (tmp_path / "#1.mp4").write_text("")
    found = read(tmp_path / "list.csv", f'v1.mp4 1\n#1.mp4,3\n../up.mp4,1\n{tmp_path}/x.mp4\n"one, two.mp4",7\nholiday\n'.encode())
    ids = ["v1", "#1", "../up", f"{tmp_path}/x", "one, two", "holiday"]
    assert found == list(zip(ids, [(), (3,), (1,), (), (7,), ()]))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        pytest.param(b"a.mp4,cat\n", "line 1: expected <file>,<label>;<label>, found 'a.mp4,cat'", id="a label in words"),
        pytest.param(b"file,label\na.mp4,1\n", "line 1: expected <file>,<label>;<label>, found 'file,label'", id="a head"),
        pytest.param(b"a.mp4,1\n\nb.mp4,-1\n", "line 3: expected", id="a negative label"),
        pytest.param(b"a.mp4,1.0\n", "line 1: expected", id="a fraction"),
        pytest.param("a.mp4,٣\n".encode(), "line 1: expected", id="a digit that is none of ours"),
        pytest.param(b"a.mp4,1\na.mp4,2\n", "line 2: a second video 'a', after line 1", id="a video twice"),
        pytest.param(b"a.mp4,1\n./a.avi,2\n", "line 2: a second video 'a'", id="an id twice"),
        pytest.param(b"a.mp4,1,2\n", "line 1: expected", id="commas between labels"),
        pytest.param(b'a.mp4,"1,2"\n', "line 1: expected", id="commas between labels, in quotes"),
        pytest.param(b"b.mp4\na.mp4,[1]\n", "line 2: expected", id="a label in brackets"),
        pytest.param(b"\n", "list.csv names no video", id="a blank line"),
        pytest.param(b"", "list.csv names no video", id="nothing"),
        pytest.param(b"b.mp4,1\na.mp4 1\n", "line 2: there is no file 'a.mp4 1'; expected <file>,<label>", id="a blank"),
        pytest.param(b"some/frames 250 3\n", "line 1: there is no file 'some/frames 250 3'", id="frames and a label"),
        pytest.param(b"a.mp4\t1\n", r"line 1: there is no file 'a.mp4\\t1'", id="a tab"),
        pytest.param(b"a.mp4;1\n", "line 1: there is no file 'a.mp4;1'", id="a semicolon"),
        pytest.param(b"a.mp4;1;2,3\n", "line 1: there is no file", id="semicolons and a comma"),
        pytest.param(b"a.mp4|1\n", "line 1: there is no file", id="a bar"),
        pytest.param(b"a.mp4: 1\n", "line 1: there is no file", id="a colon"),
        pytest.param(b"a.mp4=1\n", "line 1: there is no file 'a.mp4=1'", id="an equals sign"),
        pytest.param(b"a.mp4->1\n", "line 1: there is no file", id="an arrow"),
        pytest.param(b"sub\\a.mp4,1\n", "line 1: there is no file", id="Windows"),
        pytest.param(b"# my videos\na.mp4,1\n", "line 1: there is no file '# my videos'", id="a comment"),
        pytest.param(b'a.mp4,1\n"b.mp4,2\nc.mp4,3\n', "line 2: unexpected end of data", id="an open quote"),
        pytest.param(b'a.mp4,1\n"b\nc".mp4,3\n', "line 2: unexpected end of data", id="a line end in quotes"),
        pytest.param(b"a.mp4,1\rb.mp4,2\r", "line 1: new-line character", id="line ends of an old Mac"),
        pytest.param(b"b.mp4\n,1\n", "line 2: no name of a file", id="no name"),
        pytest.param(b".,1\n", "line 1: no name of a file", id="a dot"),
        pytest.param(b"a.mp4,%d\n" % (LARGEST + 1), "line 1: the label 9223372036854775808 is beyond 64 bits", id="64 bits and one"),
        pytest.param(b"a.mp4," + b"9" * 5000 + b"\n", "line 1: the label 9{40} is beyond", id="more digits than Python reads"),
        pytest.param(b"x" * 200_000 + b"\n", "line 1: field larger than field limit", id="a name without end"),
        pytest.param(b"b.mp4\na\0.mp4,1\n", "line 2: a zero byte", id="a zero byte"),
        pytest.param(b"b.mp4\n" * 1 + b"c.mp4,1\n" + b"\n" * 5000 + b"a\0.mp4,1\n", "line 5003: no name of a file", id="a late zero byte"),
        pytest.param("é.mp4,1\n".encode("utf-16"), r"line 1: UTF-16 text\n.*iconv -f UTF-16", id="UTF-16"),
        pytest.param("a.mp4,1\n".encode("utf-16-le"), "line 1: UTF-16 text", id="UTF-16 without its mark"),
        pytest.param("a.mp4\né.mp4,1\n".encode("latin-1"), "line 2: not UTF-8 text, byte 1 of the line", id="latin-1"),
    ],
)
def test_a_bad_list_is_named_by_file_and_line(data: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=what) as told:
        read(tmp_path / "list.csv", data)
    assert "list.csv" in told.value.message


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("mmaction.txt", "line 1: there is no file 'v1.mp4 1'"),
        ("semicolon.csv", "line 1: there is no file 'v1.mp4;1'"),
        ("latin1.csv", "line 1: not UTF-8 text"),
        ("bigalabel.csv", "line 1: the label 99999999999999999999 is beyond 64 bits"),
    ],
)
def test_lists_that_users_brought_are_refused_before_any_video_is_read(name: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{name}, {what}"):
        CliRunner().invoke(make_records, [str(FIELD / name), "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_the_largest_label_is_read(tmp_path: Path) -> None:
    assert read(tmp_path / "list.csv", b"a.mp4,%d" % LARGEST) == [("a", (LARGEST,))]


NAMES = st.text("abü ,\"'", min_size=1, max_size=6).map(str.strip).filter(bool)


@given(st.dictionaries(NAMES, st.lists(st.integers(0, LARGEST), max_size=3), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, videos: dict[str, list[int]], end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    for name, labels in videos.items():
        writer.writerow([f"{name}.mp4", ";".join(map(str, labels))])
    found = read(tmp_path_factory.mktemp("list") / "list.csv", text.getvalue().encode())
    assert found == [(name, tuple(labels)) for name, labels in videos.items()]
