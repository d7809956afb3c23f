"""Previews: the frames that were sampled, of the videos that a reader meets first, and none of them encoded twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from models.evaluation.record import Sort
from stages.report.html import previews
from stages.report.html.finished import Sampled
from stages.report.html.gather import gather
from stages.report.html.write import write
from tests.report.pages import evaluations_of, finished, sampled
from tests.report.test_html import data

VIDEOS = 6  # of two items each


def with_frames(folder: Path) -> tuple[Path, Sampled]:
    frames = sampled(folder / "rows", VIDEOS)
    found = replace(finished(folder / "store", items=2 * VIDEOS + 4), views=(previews.frames_of(frames),))
    return write(folder / "page", found, most_previews=100), frames


def test_a_preview_shows_frames_from_the_first_to_the_last(tmp_path: Path) -> None:
    index, _ = with_frames(tmp_path)
    name = data(index, "page_0")["preview"][2]
    with Image.open(index.parent / "previews" / name) as picture:
        shown = [np.asarray(frame.convert("RGB")).mean() for frame in ImageSequence.Iterator(picture)]
        assert picture.size == (240, 135)
    assert len(shown) == previews.FRAMES and shown == sorted(shown)
    assert shown[0] == pytest.approx(1, abs=3) and shown[-1] == pytest.approx(191, abs=3)


def test_items_of_a_video_share_its_preview_and_those_without_frames_have_none(tmp_path: Path) -> None:
    index, _ = with_frames(tmp_path)
    names = data(index, "page_0")["preview"]
    assert names[-4:] == [None] * 4 and names[:-4:2] == names[1:-4:2] and len(set(names[:-4])) == VIDEOS
    assert {path.name for path in (index.parent / "previews").iterdir()} == set(names[:-4])


def test_nothing_is_encoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, frames = with_frames(tmp_path)
    before = {path.name: path.read_bytes() for path in (index.parent / "previews").iterdir()}

    def never(*_: object) -> bytes:
        raise AssertionError("it was encoded again")

    monkeypatch.setattr(previews, "moving_picture", never)
    found = replace(finished(tmp_path / "again", items=2 * VIDEOS), views=(previews.frames_of(frames),))
    write(index.parent, found, most_previews=100)
    assert {path.name: path.read_bytes() for path in (index.parent / "previews").iterdir()} == before


def test_a_video_whose_frames_are_gone_has_no_preview(tmp_path: Path) -> None:
    frames = sampled(tmp_path / "rows", VIDEOS)
    rows = {**frames.rows, "1": ("f" * 64, "f" * 64)}
    found = replace(finished(tmp_path / "store", items=2 * VIDEOS), views=(previews.frames_of(Sampled(rows, frames.items)),))
    names = data(write(tmp_path / "page", found, most_previews=100), "page_0")["preview"]
    assert names[2:4] == [None, None] and None not in names[:2] + names[4:]


def test_so_few_are_made_as_wanted_and_those_that_are_met_first(tmp_path: Path) -> None:
    found = finished(tmp_path / "store", items=60)
    asked = gather([(one, made.files) for one, made in zip(evaluations_of(found), found.evaluations().values())])
    sort = Sort("teacher wrong", wrong=("teacher",))
    wrong = [row for row in range(60) if asked.right[0, "teacher"][row] == 0]
    order = list(previews.first_met(asked, [sort]))
    assert order[: len(wrong)] == [str(row // 2) for row in wrong] and order[len(wrong) :] == [str(row // 2) for row in range(60)]
    shown = replace(found, views=(previews.frames_of(sampled(tmp_path / "rows", 30)),))
    index = write(tmp_path / "page", shown, most_previews=3)
    assert len(list((index.parent / "previews").iterdir())) == 3
    assert not (write(tmp_path / "page", shown).parent / "previews").exists()
