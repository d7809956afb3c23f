"""What lies in a data root and is no file that can be read is named: as missing in the ledger, or by an error."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError, ToleranceError
from cache.stage import Absent, Context
from cache.store import Store
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge
from pipeline.runner import Options, run_node
from stages.index import IndexParams
from stages.index.absence import Absences
from stages.index.dataset import Video
from stages.index.folder import every_file
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import NAMES, lines

Make = Callable[..., Context]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of one video."""
    root = tmp_path / "videos"
    root.mkdir()
    (root / "good.mp4").write_text("video")
    return root


def missing(ctx: Context) -> dict[str, str]:
    """Id -> reason of all that is missing; everything else is in order."""
    entries = {entry.id: entry for entry in ctx.ledger.sorted() if entry.state != "ok"}
    assert {entry.state for entry in entries.values()} <= {"missing"}
    return {id: entry.reason for id, entry in entries.items()}


def indexed(make_context: Make, root: Path, layout: str = "folder") -> tuple[dict[str, Any], dict[str, str]]:
    """Id -> path in the index, and what is missing."""
    ctx = make_context(root, layout=layout, name=f"out{len(list(root.parent.iterdir()))}")
    run(ctx)
    return {row["id"]: row["path"] for row in lines(ctx.out / "media.jsonl")}, missing(ctx)


@pytest.mark.parametrize(
    ("name", "target", "reason"),
    [
        ("a.mp4", ".git/annex/objects/4w/XX/SHA256E-s4--9f.mp4/SHA256E-s4--9f.mp4", "its content was not fetched (git annex get)"),
        ("a.mp4", "../elsewhere/a.mp4", "is a link to ../elsewhere/a.mp4, which is not there"),
        ("a.mp4", "a.mp4", "is a link that leads round in a circle"),
        ("a.mp4", "good.mp4/inner.mp4", "is a link to good.mp4/inner.mp4, which is not there"),
        ("holiday", "/nowhere/holiday", "is a link to /nowhere/holiday, which is not there"),  # it may have led to a folder
    ],
)
def test_a_link_into_nothing_is_missing_with_its_reason(root: Path, make_context: Make, name: str, target: str, reason: str) -> None:
    (root / name).symlink_to(target)
    media, lost = indexed(make_context, root)
    assert media == {"good": "good.mp4", name.removesuffix(".mp4"): None}
    ((_, told),) = lost.items()
    assert reason in told and name in told


def test_a_link_into_nothing_is_in_the_key(root: Path, tmp_path: Path) -> None:
    def key() -> str:
        graph = build(Config("folder", "videoqa", root=root))
        return Judge(Store(tmp_path / "store"), graph, device="cpu", read_files=True).key(graph.nodes["index"]).digest

    keys = [key()]
    for target in ("nowhere", "elsewhere"):
        (root / "a.mp4").unlink(missing_ok=True)
        (root / "a.mp4").symlink_to(target)
        keys.append(key())
    assert len(set(keys)) == 3 and key() == keys[-1]


def test_a_link_into_nothing_whose_name_is_that_of_another_file_is_none_of_our_business(root: Path, make_context: Make) -> None:
    (root / "notes.txt").symlink_to("nowhere.txt")
    assert indexed(make_context, root) == ({"good": "good.mp4"}, {})
    assert set(indexed(make_context, root, "folder-all")[1]) == {"notes.txt"}


def test_what_is_neither_file_nor_folder_is_missing(root: Path, make_context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe.mp4")
    monkeypatch.chdir(root)  # the name of a socket has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.avi")
    (root / "led.mkv").symlink_to("pipe.mp4")
    _, lost = indexed(make_context, root)
    assert {id: reason.partition(" is ")[2] for id, reason in lost.items()} == {
        "pipe": "a named pipe, not a plain file",
        "socket": "a socket, not a plain file",
        "led": "a named pipe, not a plain file",
    }


def test_a_link_to_a_folder_is_followed_wherever_it_leads(root: Path, make_context: Make) -> None:
    outside = root.parent / "disk" / "holiday"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "beach.mp4").write_text("beach")
    (root / "trip").symlink_to(outside)
    media, lost = indexed(make_context, root)
    assert media == {"good": "good.mp4", "trip/deep/beach": "trip/deep/beach.mp4"} and lost == {}


def test_what_links_lead_to_twice_or_in_circles_is_listed_once(root: Path, make_context: Make) -> None:
    outside = root.parent / "disk"
    for folder in (root / "z", outside):
        folder.mkdir()
        (folder / "film.mp4").write_text("film")
    (root / "a").symlink_to("z")
    (root / "z" / "up").symlink_to("..")
    (root / "b").symlink_to(outside)
    (root / "c").symlink_to(outside)
    (outside / "back").symlink_to(root)
    media, lost = indexed(make_context, root)
    assert sorted(path for path in media.values()) == ["b/film.mp4", "good.mp4", "z/film.mp4"] and lost == {}


def test_a_link_to_a_folder_that_holds_the_data_root_is_an_error(root: Path) -> None:
    (root / "disk").symlink_to("/")
    with pytest.raises(DataError, match=r"disk, under the data root .* holds the data root itself"):
        list(sources(IndexParams(layout="folder"), root))


@pytest.mark.parametrize("layout", ["folder", "folder-all", "yt8m", "yt8m-video"])
def test_a_folder_that_may_not_be_listed_is_an_error(root: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "private").mkdir()
    (root / "lost+found").mkdir()  # of the file system, and closed to everybody
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if "private" in str(path) or "lost+found" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"private/: Permission denied.*cannot be seen"):
        list(sources(IndexParams(layout=layout), root))
    (root / "private").rmdir()
    list(sources(IndexParams(layout=layout), root))


def test_a_folder_of_annotated_videos_that_may_not_be_listed_is_an_error(msrvtt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    assert list(sources(IndexParams(layout="msrvtt-qa"), msrvtt))
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"TestVideo: Permission denied: what is in it cannot be seen"):
        list(sources(IndexParams(layout="msrvtt-qa"), msrvtt))


@pytest.mark.parametrize("layout", ["msvd-qa", "msrvtt-qa"])
def test_an_annotated_video_behind_a_link_into_nothing_says_so(layout: str, request: pytest.FixtureRequest, make_context: Make) -> None:
    root: Path = request.getfixturevalue(layout.removesuffix("-qa"))
    folder, name, id = ("YouTubeClips", f"{NAMES[2]}.avi", "2") if layout == "msvd-qa" else ("TestVideo", "video7010.mp4", "7010")
    (root / folder / name).unlink()
    (root / folder / name).symlink_to("../.git/annex/objects/0/1/k/k")
    ctx = make_context(root, layout=layout)
    run(ctx)
    assert missing(ctx) == {id: f"{folder}/{name}: its content was not fetched (git annex get)"}


@pytest.mark.parametrize("layout", ["msvd-qa", "msrvtt-qa"])
def test_a_link_in_a_circle_costs_one_video_and_not_the_dataset(layout: str, request: pytest.FixtureRequest, make_context: Make) -> None:
    root: Path = request.getfixturevalue(layout.removesuffix("-qa"))
    path = root / "YouTubeClips" / f"{NAMES[2]}.avi" if layout == "msvd-qa" else root / "TestVideo" / "video7010.mp4"
    path.unlink()
    path.symlink_to(path)
    assert str(path.relative_to(root)) not in list(sources(IndexParams(layout=layout), root))
    ctx = make_context(root, layout=layout)
    run(ctx)
    ((_, told),) = missing(ctx).items()
    assert "leads round in a circle" in told


def test_a_folder_of_videos_behind_a_link_into_nothing_is_the_reason_of_all_of_them(msrvtt: Path, make_context: Make) -> None:
    (msrvtt / "TestVideo").rename(msrvtt / "all")
    (msrvtt / "TestVideo").symlink_to("/nowhere/TestVideo")
    ctx = make_context(msrvtt, layout="msrvtt-qa")
    run(ctx)
    assert missing(ctx) == {"7010": "TestVideo is a link to /nowhere/TestVideo, which is not there"}


@pytest.mark.parametrize("there", ["{0}.mp4", "{0}.AVI", "{1}.avi"])
def test_a_clip_that_is_there_under_another_ending_or_other_capitals_is_named(msvd: Path, make_context: Make, there: str) -> None:
    clips = msvd / "YouTubeClips"
    for name in NAMES.values():
        (clips / f"{name}.avi").rename(clips / there.format(name, name.swapcase()))
    ctx = make_context(msvd)
    run(ctx)
    lost = missing(ctx)
    assert {"1", "2", "10"} <= set(lost)
    name = NAMES[1]
    assert lost["1"] == f"YouTubeClips/{name}.avi is not there; YouTubeClips/{there.format(name, name.swapcase())} is"


@pytest.mark.parametrize("name", ["vocabulary.csv", "eigenvals.npy", "2"])
def test_a_table_or_a_folder_of_shards_behind_a_link_into_nothing_is_an_error(root: Path, make_context: Make, name: str) -> None:
    (root / "train0000.tfrecord").write_text("")
    (root / name).symlink_to("/nowhere/it")
    with pytest.raises(DataError, match=f"^{name} is a link to /nowhere/it, which is not there"):
        run(make_context(root, layout="yt8m"))


def test_a_shard_behind_a_link_into_nothing_is_missing(root: Path, make_context: Make) -> None:
    (root / "train0000.tfrecord").write_text("")
    (root / "train0001.tfrecord").symlink_to("/nowhere/it")
    media, lost = indexed(make_context, root, "yt8m")
    assert media == {"train0000": "train0000.tfrecord", "train0001": None} and "which is not there" in lost["train0001"]


PARTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(PARTS, max_size=3), st.sampled_from(["../x", "/etc/passwd", "", "a/../../x", "a\0b", ".."]), st.booleans())
def test_no_annotation_names_a_file_outside_of_the_data_root(parts: list[str], leading: str, first: bool) -> None:
    path = "/".join([leading, *parts] if first or leading.startswith("/") or not leading else [*parts, leading])
    if not leading and parts:
        path = "/" + "/".join(parts)
    with pytest.raises(DataError, match="names no file under the data root"):
        Video("v", path)


def test_absences_list_a_folder_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: asked.append(self) or iterdir(self))
    absences = Absences(root)
    assert [absences.why(f"{n}.mp4") for n in range(3)] == [f"{n}.mp4 is not there" for n in range(3)]
    assert asked == [root]


@given(st.lists(st.sampled_from(["file", "dangling", "fifo", "folder"]), max_size=6))
def test_everything_in_a_folder_is_a_path_or_absent(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    root = tmp_path_factory.mktemp("any")
    make = {
        "file": Path.touch,
        "dangling": lambda path: path.symlink_to("nowhere"),
        "fifo": lambda path: os.mkfifo(path),
        "folder": lambda path: (path.mkdir(), (path / "in.mp4").touch()),
    }
    for n, kind in enumerate(kinds):
        make[kind](root / f"{n}.mp4")
    found = list(every_file(root))
    assert len(found) == len(kinds)
    assert sum(isinstance(one, Absent) for one in found) == sum(kind in ("dangling", "fifo") for kind in kinds)


def test_a_lost_dataset_is_not_answered_with_leave_to_go_on_without_it(tmp_path: Path) -> None:
    root = tmp_path / "videos"
    root.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (root / name).symlink_to("nowhere.mp4")
    judge = Judge(Store(tmp_path / "store"), build(Config("folder", "videoqa", root=root)), device="cpu", read_files=True)
    with pytest.raises(ToleranceError, match=r"2 of 2 items(.|\n)*a link to nowhere.mp4, which is not there") as caught:
        run_node(judge, "index", Options())
    assert "max_lost" not in caught.value.hint
    (root / "c.mp4").write_text("video")
    judge = Judge(Store(tmp_path / "store"), build(Config("folder", "videoqa", root=root)), device="cpu", read_files=True)
    with pytest.raises(ToleranceError) as caught:
        run_node(judge, "index", Options())
    assert "index.max_lost=0.67" in caught.value.hint
