"""What the page shows of videos, sounds and parts in time: pictures by content, columns of numbers, pictures beside a ledger."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from stages.report.html import previews, sounds
from stages.report.html.write import write
from tests.report.conftest import LABELS
from tests.report.media_pages import NAMES, NOTE, VIDEOS, detections, finished, flat, found, labellings, labels, parts
from tests.report.test_html import data, parsed, rows

RATE = 16_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    return write(folder / "page", finished(folder / "store", detections()), most_previews=50)


def test_modalities_are_side_by_side_in_one_moving_picture(page: Path) -> None:
    shown = data(page, "page_0")
    assert shown["seen"] == ["RGB, flow"] * 10 + ["RGB"] * 10
    with Image.open(page.parent / "previews" / shown["preview"][0]) as picture:
        assert picture.size == (360, 101)
        last = np.asarray(list(ImageSequence.Iterator(picture))[-1].convert("RGB"))
    assert last[60, 90].mean() == pytest.approx(190, abs=4) and last[60, 270].mean() == pytest.approx(218, abs=4), (
        "the nearest of its frames"
    )
    with Image.open(page.parent / "previews" / shown["preview"][10]) as picture:
        assert picture.size == (240, 135)


def test_four_modalities_are_two_rows_of_two() -> None:
    found = [flat(name, 10 * place) for place, name in enumerate(("RGB", "flow", "depth", "skeleton"))]
    with Image.open(io.BytesIO(previews.moving_picture(found, NAMES[0]))) as picture:
        assert picture.size == (320, 180)


def test_no_picture_is_made_twice(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("it was made again")

    before = {path.name: path.read_bytes() for path in (page.parent / "previews").iterdir()}
    for module, name in ((previews, "moving_picture"), (previews, "still"), (sounds, "picture")):
        monkeypatch.setattr(module, name, never)
    write(page.parent, finished(tmp_path, detections()), most_previews=50)
    assert {path.name: path.read_bytes() for path in (page.parent / "previews").iterdir()} == before
    assert len(before) == 2 * VIDEOS + 1, "what was seen and heard of each, and a still of the one that is not ok"


def test_parts_and_what_was_found_are_there_with_numbers_for_classes(page: Path) -> None:
    words, shown = data(page, "items")["words"], data(page, "page_0")
    for video in range(VIDEOS):
        assert shown["parts"][video] == [cell for name, *rest in parts(video) for cell in (words.index(name), *rest)]
        for place in range(len(LABELS)):
            wanted = [cell for name, *rest in found(video, place) for cell in (words.index(name), *map(float, rest))]
            assert shown["found"][place][video] == wanted
    assert parsed(page).all("section", id="confusion") == []


def test_items_that_are_not_ok_have_a_frame_beside_them(page: Path) -> None:
    ledger = parsed(page).one("section", id="ledger")
    assert rows(ledger) == [
        ["item", "a frame", "state", "reason"],
        [NAMES[0], "", "padded", "too short"],
        ["nowhere", "", "padded", "too short"],
    ]
    (picture,) = ledger.all("img")
    with Image.open(page.parent / str(picture.attributes["src"])) as still:
        assert still.size == (96, 54)


def test_what_a_reader_has_to_know_of_the_predictions_is_said(page: Path) -> None:
    assert NOTE in parsed(page).one("section", id="examples").text


def test_without_previews_there_is_no_picture_at_all(tmp_path: Path) -> None:
    index = write(tmp_path / "page", finished(tmp_path / "store", detections()))
    assert not (index.parent / "previews").exists() and parsed(index).all("img") == []
    assert not data(index, "page_0").keys() & {"preview", "seen", "sound"}


def test_a_picture_that_is_lost_leaves_a_gap(tmp_path: Path) -> None:
    made = finished(tmp_path / "store", detections())
    assert made.sound is not None
    made.sound.rows[NAMES[1]] = ("f" * 64, "f" * 64)  # type: ignore[index]
    shown = data(write(tmp_path / "page", made, most_previews=50), "page_0")
    assert shown["sound"][1] is None and None not in (*shown["sound"][:1], *shown["sound"][2:], *shown["preview"])


def test_several_true_answers_are_kept_apart(tmp_path: Path) -> None:
    index = write(tmp_path / "page", finished(tmp_path / "store", labellings(), pictures=False))
    columns = data(index, "items")
    begins = [0, *columns["ends"]]
    answers = [[columns["words"][word] for word in columns["answer"][begin:end]] for begin, end in zip(begins, columns["ends"])]
    assert answers == [labels(video) for _ in range(2) for video in range(VIDEOS)]
    assert columns["kinds"] == ["seen", "heard"] and "A case is a video in one kind of test; there are 2 kinds." in parsed(index).text


def test_one_answer_each_is_a_plain_column(tmp_path: Path) -> None:
    single = [replace(one, answer=one.kind) for one in labellings()]
    index = write(tmp_path / "page", finished(tmp_path / "store", single, pictures=False))
    assert "ends" not in data(index, "items") and len(data(index, "items")["answer"]) == 2 * VIDEOS


@pytest.mark.parametrize("hertz", [300, 1000, 6000])
def test_a_tone_is_a_line_at_its_pitch(hertz: int) -> None:
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE)
    level = sounds.levels(samples, RATE)
    assert level.shape == (sounds.BANDS, sounds.COLUMNS) and level.max() == 1 and level.min() >= 0
    mel = 2595 * np.log10(1 + hertz / 700) / (2595 * np.log10(1 + RATE / 2 / 700))
    assert level.mean(1).argmax() == pytest.approx(mel * (sounds.BANDS + 1) - 1, abs=1)
    assert np.median(level) < 0.4


def test_a_loud_half_is_brighter_than_a_soft_one_and_silence_is_dark() -> None:
    noise = np.random.default_rng(0).normal(size=4 * RATE) * np.repeat([0.3, 0.003], 2 * RATE)
    level = sounds.levels(noise, RATE)
    assert level[:, : sounds.COLUMNS // 2 - 5].mean() - level[:, sounds.COLUMNS // 2 + 5 :].mean() == pytest.approx(
        40 / sounds.RANGE, abs=0.05
    )
    assert not sounds.levels(np.zeros(RATE), RATE).any()


@pytest.mark.parametrize("samples", [0, 1, 700, 200_000])
@pytest.mark.parametrize("rate", [4000, 48_000])
def test_sounds_of_every_length_have_a_picture_of_one_size(samples: int, rate: int) -> None:
    made = sounds.picture(np.random.default_rng(1).normal(size=samples) / 4, rate)
    assert len(made) < 40_000 and made == sounds.picture(np.random.default_rng(1).normal(size=samples) / 4, rate)
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.size == (sounds.COLUMNS, sounds.BANDS * sounds.HIGH) and picture.mode == "P"
