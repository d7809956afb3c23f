"""Pictures, time lines and several true answers of a page, in Chromium and in Firefox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.report.html.write import write
from tests.report.browsers import Browser
from tests.report.conftest import LABELS
from tests.report.media_pages import NAMES, SECONDS, VIDEOS, detections, finished, found, labellings, labels, parts
from tests.report.pages import HOSTILE
from tests.report.test_html_browsers import COUNT, pick, press

TITLES = "return [...document.querySelectorAll('article h4 bdi:first-of-type')].map(one => one.textContent)"
FIRST = "document.querySelector('article svg.timeline')"
SAID = "return document.querySelector('article .said').textContent"


def opened(browser: Browser, index: Path) -> Iterator[Browser]:
    """A page with its examples; the console says nothing, nothing ran, and nothing came from elsewhere."""
    browser.complaints()
    browser.open(index.as_uri())
    browser.run("document.getElementById('examples').scrollIntoView()")
    browser.until("return document.querySelectorAll('article').length > 0")
    yield browser
    assert browser.run("return window.harmed") is None
    loaded = browser.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert all(name.startswith(index.parent.as_uri()) for name in loaded)
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def in_time(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    return write(folder / "page", finished(folder / "store", detections()), most_previews=50)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    return write(folder / "page", finished(folder / "store", labellings(), pictures=False))


@pytest.fixture
def timed(browser: Browser, in_time: Path) -> Iterator[Browser]:
    yield from opened(browser, in_time)


@pytest.fixture
def labelled(browser: Browser, several: Path) -> Iterator[Browser]:
    yield from opened(browser, several)


def show_all(page: Browser) -> None:
    """All videos, from the first."""
    press(page, "all videos")
    page.until("return document.querySelector('article')?.dataset.row === '0'")


def key(page: Browser, name: str) -> Any:
    page.run(f"{FIRST}.dispatchEvent(new KeyboardEvent('keydown', {{key: arguments[0], bubbles: true}}))", name)
    return page.run(SAID)


def test_a_time_line_has_every_true_and_every_found_part_in_its_place(timed: Browser) -> None:
    show_all(timed)
    shown = timed.run(
        f"return [...{FIRST}.querySelectorAll('rect')].map(one => [one.classList[1], one.getAttribute('x'), one.getAttribute('width')])"
    )
    wanted = [("true", *part[1:3]) for part in parts(0)]
    for place in range(len(LABELS)):
        wanted += [("hit" if part[4] else "miss", *part[1:3]) for part in found(0, place)]
    scale = (356 - 4) / SECONDS
    assert len(shown) == len(wanted)
    for (kind, x, width), (expected, begin, end) in zip(shown, wanted, strict=True):
        assert (kind, float(x), float(width)) == (expected, pytest.approx(4 + begin * scale), pytest.approx((end - begin) * scale))
    lanes = timed.run(f"return [...{FIRST}.querySelectorAll('text')].map(one => one.textContent)")
    assert lanes == ["true", *LABELS.values(), "0 s", "3 s", "6 s", "9 s", "12 s"]


def test_the_pointer_and_the_arrow_keys_say_what_a_part_is(timed: Browser) -> None:
    show_all(timed)
    assert timed.run(SAID).strip() == ""
    assert key(timed, "ArrowRight") == "true: wave, 1.0 to 3.0 s"
    assert key(timed, "ArrowRight") == f"true: {HOSTILE[0]}, 5.0 to 5.3 s"
    last = found(0, len(LABELS) - 1)[-1]
    assert key(timed, "End") == f"{LABELS['student.kd']}: wave, {last[1]:.1f} to {last[2]:.1f} s, score {last[3]:.3f}, wrong"
    timed.run(f"{FIRST}.querySelector('.hit').dispatchEvent(new PointerEvent('pointermove', {{bubbles: true}}))")
    assert timed.run(SAID) == f"{LABELS['student.alone']}: wave, 1.1 to 2.9 s, score 0.900, right"
    timed.run(f"{FIRST}.dispatchEvent(new PointerEvent('pointerleave'))")
    assert timed.run(SAID).strip() == ""


def test_parts_that_overlap_do_not_hide_one_another(timed: Browser) -> None:
    show_all(timed)
    boxes = timed.run(
        f"return [...{FIRST}.querySelectorAll('rect')].map(one => ['x', 'y', 'width', 'height'].map(n => Number(one.getAttribute(n))))"
    )
    for place, (x, y, width, height) in enumerate(boxes):
        for ox, oy, owidth, oheight in boxes[:place]:
            assert x >= ox + owidth - 1e-6 or ox >= x + width - 1e-6 or y >= oy + oheight or oy >= y + height


def test_a_click_on_a_sort_and_a_true_class_choose_videos(timed: Browser) -> None:
    wrong = [n for n in range(VIDEOS) if not any(found(n, place)[0][4] for place in range(len(LABELS)))]
    first = [n for n in range(VIDEOS) if found(n, 0)[0][4] and not found(n, 2)[0][4]]
    assert timed.run(TITLES) == [NAMES[n] for n in first][:12] and first
    assert press(timed, "all wrong") == f"{len(wrong)} videos of {VIDEOS}"
    press(timed, "all videos")
    pick(timed, "true answer", HOSTILE[2])
    own = [n for n in range(VIDEOS) if n % len(HOSTILE) == 2]
    assert timed.run(COUNT) == f"{len(own)} videos of {VIDEOS}"
    timed.until("return document.querySelector('article')?.dataset.row === '2'")
    assert timed.run(TITLES) == [NAMES[n] for n in own]


def test_names_of_files_and_of_classes_stay_text(timed: Browser) -> None:
    show_all(timed)
    assert timed.run(TITLES)[: len(HOSTILE)] == list(HOSTILE)
    titles = timed.run(f"return [...{FIRST}.querySelectorAll('title')].map(one => one.textContent)")
    assert f"true: {HOSTILE[0]}, 5.0 to 5.3 s" in titles
    assert timed.run("return document.querySelectorAll('article script, main b, img[src=x], svg script, svg img').length") == 0
    names = timed.run("return [...document.querySelectorAll('#ledger bdi')].map(one => one.textContent)")
    assert NAMES[0] in names


def test_pictures_of_what_was_seen_and_heard_are_shown_and_told(timed: Browser) -> None:
    show_all(timed)
    pictures = "const all = [...document.querySelector('article').querySelectorAll('img')]; "
    assert timed.until(f"{pictures} return all.every(one => one.complete) && all.map(one => one.naturalWidth)") == [360, 360]
    told = timed.run("return [...document.querySelector('article').querySelectorAll('img')].map(one => one.alt)")
    assert told == [
        "the frames that were sampled of its video: RGB, flow",
        "its sound: time to the right, pitch upwards, loudness as colour",
    ]
    timed.run("document.querySelector('#ledger details').open = true; document.querySelector('#ledger img').scrollIntoView()")
    assert timed.until("const one = document.querySelector('#ledger img'); return one.complete && one.naturalWidth") == 96


@pytest.mark.parametrize("width", [360, 700, 1600])
def test_nothing_sticks_out_at_any_width(timed: Browser, width: int) -> None:
    timed.narrow(width, 900)
    timed.run("for (const one of document.querySelectorAll('details')) one.open = true")
    wide, inner = timed.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert inner == width or (width == 360 and inner <= 500), "Firefox makes no window narrower than 500"
    assert wide <= inner
    widest = "return Math.max(...[...document.querySelectorAll('article')].map(one => one.scrollWidth - one.clientWidth))"
    assert timed.run(widest) <= 0


def test_an_item_of_several_answers_counts_where_it_was_right_or_else_in_each_row(labelled: Browser) -> None:
    labelled.until("return document.querySelectorAll('.matrix button').length > 0")
    pick(labelled, "kind", "0")
    heads = labelled.run("return [...document.querySelectorAll('.matrix tbody th')].map(one => one.textContent)")
    wanted: dict[tuple[str, str], int] = {}
    for one in (said for said in labellings() if said.model == "teacher" and said.kind == "seen"):
        for truth in [one.prediction] if one.is_right else one.answer or ["none"]:
            wanted[truth, one.prediction] = wanted.get((truth, one.prediction), 0) + 1
    cells = labelled.run(
        "return [...document.querySelectorAll('.matrix button:not(:disabled)')].map(one => one.getAttribute('aria-label'))"
    )
    assert sorted(cells) == sorted(f"true {truth}, said {said}: {count}" for (truth, said), count in wanted.items())
    assert any(head.startswith("none") for head in heads)
    (truth, said), count = next(item for item in wanted.items() if item[0][0] == HOSTILE[1])
    label = f"true {truth}, said {said}: {count}"
    labelled.run(
        "[...document.querySelectorAll('.matrix button')].find(one => one.getAttribute('aria-label') === arguments[0]).click()", label
    )
    assert labelled.run(COUNT) == f"{count} case{'s' if count > 1 else ''} of {2 * VIDEOS}"


def test_a_label_finds_every_item_that_has_it(labelled: Browser) -> None:
    press(labelled, "all cases")
    pick(labelled, "true answer", "dog")
    own = [video for video in range(VIDEOS) if "dog" in labels(video)]
    assert labelled.run(COUNT) == f"{2 * len(own)} cases of {2 * VIDEOS}"
    labelled.until("return document.querySelector('article')?.dataset.row === arguments[0]", str(own[0]))
    assert labelled.run("return document.querySelector('article strong').textContent") == ", ".join(labels(own[0]))
    assert labelled.run("return document.querySelector('article h4').textContent") == f"case {NAMES[own[0]]} · seen"
    assert "video_id" not in labelled.run("return document.querySelector('article').textContent")
    pick(labelled, "true answer", "")
    labelled.until("return document.querySelectorAll('article strong').length > 3")
    assert labelled.run("return document.querySelectorAll('article strong')[3].textContent") == "none"
