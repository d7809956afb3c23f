"""Kinetics by XKD's lists: Kinetics-Sound, and the whole set in the same tree with or without its lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams, kinetics_av, kinetics_sound
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import lines

Make = Callable[..., Context]
FLUTE, BOWL, TAP = "AbCdEfGhIjk_000012_000022", "-ZyXwVuTsRq_000101_000111", "0123456789a_000000_000010"
ENTRIES = {"train": [f"playing_flute/{FLUTE}.avi", f"bowling/{BOWL}.avi"], "val": [f"playing_flute/{TAP}.avi"]}


def write(root: Path, part: str, value: object, folder: str = "kinetics_sound") -> None:
    (root / folder).mkdir(exist_ok=True)
    (root / folder / f"{part}.txt").write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def kinetics(tmp_path: Path) -> Path:
    """Three clips of the lists, and one that no list names."""
    root = tmp_path / "kinetics"
    for part, entries in ENTRIES.items():
        for entry in [*entries, f"yawning/{part:_<11}_000001_000011.avi"]:
            (root / part / entry).parent.mkdir(parents=True, exist_ok=True)
            (root / part / entry).write_text(entry)
    for part, entries in ENTRIES.items():
        write(root, part, entries)
    return root


def paths(root: Path) -> dict[str, str]:
    return {video.id: video.path for video in kinetics_sound.read(root).videos}


def test_lists_are_indexed_as_they_lie(kinetics: Path, make_context: Make) -> None:
    ctx = make_context(kinetics, layout="kinetics-sound")
    run(ctx)
    media = [(row["id"], row["path"], row["splits"]) for row in lines(ctx.out / "media.jsonl")]
    assert media == [
        (BOWL, f"train/bowling/{BOWL}.avi", ["train"]),
        (TAP, f"val/playing_flute/{TAP}.avi", ["val"]),
        (FLUTE, f"train/playing_flute/{FLUTE}.avi", ["train"]),
    ]
    assert [row["classes"] for row in lines(ctx.out / "annotations.jsonl")] == [["bowling"], ["playing_flute"], ["playing_flute"]]
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert about["classes"] == ["bowling", "playing_flute"] and about["streams"] == ["video", "audio"]


def test_sources_are_the_lists_and_the_clips(kinetics: Path) -> None:
    found = set(sources(IndexParams(layout="kinetics-sound"), kinetics))
    assert len(found) == 7 and {"kinetics_sound/train.txt", f"val/playing_flute/{TAP}.avi"} < found


@pytest.mark.parametrize("place", [f"train/playing flute/{FLUTE}.mp4", f"val/playing_flute/{FLUTE}.avi", f"playing_flute/{FLUTE}.mkv"])
def test_a_clip_is_found_where_copies_have_it(place: str, kinetics: Path) -> None:
    (kinetics / place).parent.mkdir(parents=True, exist_ok=True)
    (kinetics / "train/playing_flute" / f"{FLUTE}.avi").rename(kinetics / place)
    assert paths(kinetics)[FLUTE] == place


def test_where_its_list_says_comes_first(kinetics: Path) -> None:
    (kinetics / "train/playing_flute" / f"{FLUTE}.mp4").write_text("another copy")
    (kinetics / "train/bowling" / f"{FLUTE}.avi").write_text("in another class")
    assert paths(kinetics)[FLUTE] == f"train/playing_flute/{FLUTE}.avi"


def test_a_clip_that_is_gone_is_missing_where_its_list_says(kinetics: Path, make_context: Make) -> None:
    (kinetics / "train/bowling" / f"{BOWL}.avi").unlink()
    ctx = make_context(kinetics, layout="kinetics-sound")
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert (lost.id, lost.state, lost.reason) == (BOWL, "missing", f"train/bowling/{BOWL}.avi is not there")


def test_a_clip_that_stands_twice_is_noted(kinetics: Path) -> None:
    write(kinetics, "val", [*ENTRIES["val"], f"playing_flute/{FLUTE}.avi", f"bowling/{TAP}.avi"])
    dataset = kinetics_sound.read(kinetics)
    assert {video.id: video.splits for video in dataset.videos}[FLUTE] == ("train", "val")
    assert dataset.notes == {
        FLUTE: "it is in the lists of train and val",
        TAP: "kinetics_sound/val.txt has it in 'bowling', too",
    }


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([7], "entry 0: expected a text, found '7'"),
        ([f"{FLUTE}.avi"], f"entry 0: expected '<class>/<clip>.avi', found '{FLUTE}.avi'"),
        (["a/b/c.avi"], "entry 0: expected '<class>/<clip>.avi', found 'a/b/c.avi'"),
        (["../c.avi"], "entry 0: expected '<class>/<clip>.avi', found '../c.avi'"),
        (["/c.avi"], "entry 0: expected"),
        (["a/.avi"], "entry 0: expected"),
        (["a/c.txt"], "entry 0: expected"),
        (["a/c\0.avi"], "entry 0: expected"),
    ],
)
def test_a_wrong_entry_is_named(value: list[object], says: str, kinetics: Path) -> None:
    write(kinetics, "val", value)
    with pytest.raises(DataError) as caught:
        kinetics_sound.read(kinetics)
    assert f"kinetics_sound/val.txt, {says}" in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("playing_flute/a.avi\n", "val.txt, line 1, column 1: not JSON"),
        ("{}", "expected an array of '<class>/<clip>.avi', found '{}'"),
        ("[]", "expected an array of"),
    ],
)
def test_what_is_no_list_is_refused(text: str, says: str, kinetics: Path) -> None:
    write(kinetics, "val", text)
    with pytest.raises(DataError) as caught:
        kinetics_sound.read(kinetics)
    assert says in caught.value.message


def test_a_list_that_is_not_there_is_named(kinetics: Path) -> None:
    (kinetics / "kinetics_sound" / "val.txt").unlink()
    with pytest.raises(DataError, match=r"kinetics_sound/val.txt is not there"):
        kinetics_sound.read(kinetics)


def test_the_whole_set_is_what_lies_in_the_tree_or_what_its_lists_name(kinetics: Path) -> None:
    whole = kinetics_av.read(kinetics)
    assert len(whole.videos) == 5 and whole.classes == ("bowling", "playing_flute", "yawning")
    write(kinetics, "train", ENTRIES["train"], "kinetics400")
    listed = kinetics_av.read(kinetics)
    assert [sum(split in video.splits for video in listed.videos) for split in ("train", "val")] == [2, 2]
    assert "kinetics400/train.txt" in set(sources(IndexParams(layout="kinetics-av"), kinetics))


def test_a_list_of_the_whole_set_behind_a_link_into_nothing_is_refused(kinetics: Path) -> None:
    (kinetics / "kinetics400").mkdir()
    (kinetics / "kinetics400" / "val.txt").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"kinetics400/val.txt"):
        kinetics_av.read(kinetics)


def test_a_data_root_without_a_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip of Kinetics lies in train or val under the data root"):
        kinetics_av.read(tmp_path)
