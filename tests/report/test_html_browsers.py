"""The page of a report in Chromium and in Firefox, opened as a file, with nothing else to be reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stages.report.html.data import PAGE
from stages.report.html.previews import frames_of
from stages.report.html.write import write
from tests.report.browsers import Browser
from tests.report.conftest import LABELS
from tests.report.pages import HALF, HOSTILE, finished, predictions, right, sampled, written

ITEMS = PAGE + 40
SHOWN = 12
COUNT = "return document.getElementById('count')?.textContent"
TITLES = "return [...document.querySelectorAll('article h4 bdi:first-of-type')].map(one => one.textContent)"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    found = replace(finished(folder / "store", items=ITEMS), views=(frames_of(sampled(folder / "rows", 1)),))
    return write(folder / "page", found, most_previews=5)


@pytest.fixture
def page(browser: Browser, index: Path) -> Iterator[Browser]:
    """The page with its examples; whatever a test does with it, the console says nothing and nothing comes from elsewhere."""
    browser.complaints()
    browser.open(index.as_uri())
    browser.run("document.getElementById('examples').scrollIntoView()")
    browser.until("return document.querySelectorAll('article').length > 0 && document.querySelectorAll('.matrix button').length > 0")
    yield browser
    assert browser.run("return window.harmed") is None
    loaded = browser.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert all(name.startswith(index.parent.as_uri()) for name in loaded)
    assert browser.complaints() == []


def press(page: Browser, text: str) -> str:
    """Click the button that begins so; returns what is counted then."""
    script = "const found = [...document.querySelectorAll('button')].find(one => one.textContent.startsWith(arguments[0])); found.click();"
    page.run(script, text)
    return page.run(COUNT)


def pick(page: Browser, label: str, value: str) -> None:
    """Set a list of choices by its label."""
    script = """
      const label = [...document.querySelectorAll('label')].find(one => one.firstChild.textContent === arguments[0]);
      const field = label.querySelector('select, input');
      field.value = arguments[1];
      field.dispatchEvent(new Event('change', {bubbles: true}));
    """
    page.run(script, label, value)


def of(number: int) -> str:
    return f"{number} question{'' if number == 1 else 's'} of {ITEMS}"


def test_the_tables_are_those_of_the_report(page: Browser, index: Path) -> None:
    report = json.loads((index.parent.parent / "store" / "report" / "report.json").read_text())
    cells = page.run("return [...document.querySelectorAll('#scores tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
    for row, network in zip(cells, [*report["networks"], *report["baselines"]], strict=True):
        assert row[0].startswith(network["label"])
        for cell, column in zip(row[1:], report["columns"], strict=True):
            assert cell.startswith(f"{100 * network['scores'][column['name']]['mean']:.1f}")


def test_a_click_on_a_sort_shows_its_items(page: Browser) -> None:
    found = list(right(0, ITEMS))
    first = [f"i{n}" for n, one in enumerate(found) if one["teacher"] and one["student.kd"] is False]
    assert page.run(COUNT) == of(len(first)) and page.run(TITLES) == first[:SHOWN]
    wrong = [f"i{n}" for n, one in enumerate(found) if all(said is False for said in one.values())]
    assert press(page, "all wrong") == of(len(wrong))
    page.until("return document.querySelector('article h4 bdi').textContent === arguments[0]", wrong[0])
    assert page.run(TITLES) == wrong[:SHOWN] and wrong != first
    pressed = page.run("return [...document.querySelectorAll('[aria-pressed=true]')].map(one => one.textContent)")
    assert pressed == [f"all wrong ({len(wrong)})"]


def test_filters_by_kind_seed_network_and_answer_count_as_python_does(page: Browser) -> None:
    assert press(page, "all questions") == of(ITEMS)
    pick(page, "kind", "1")
    assert page.run(COUNT) == of(ITEMS // 2)
    pick(page, "seed", "1")
    pick(page, LABELS["teacher"], "wrong")
    expected = [n for n, one in enumerate(right(1, ITEMS)) if n % 2 and one["teacher"] is False]
    assert page.run(COUNT) == of(len(expected))
    pick(page, LABELS["teacher"], "silent")
    assert page.run(COUNT) == of(sum(one["teacher"] is None for n, one in enumerate(right(1, ITEMS)) if n % 2))
    pick(page, LABELS["teacher"], "")
    pick(page, "kind", "")
    answers = [one.answer for one in predictions(1, ITEMS)[:ITEMS]]
    for text in (HOSTILE[0], "word 3"):
        pick(page, "true answer", text)
        assert page.run(COUNT) == of(answers.count(text))
    pick(page, "true answer", "")
    assert page.run(COUNT) == of(ITEMS)


def test_a_cell_of_the_confusion_shows_its_items(page: Browser) -> None:
    pick(page, "answers of", "2")
    network, said = list(LABELS)[2], predictions(0, ITEMS)[2 * ITEMS :]
    counts = page.run("return [...document.querySelectorAll('.matrix button:not(:disabled)')].map(one => Number(one.textContent))")
    assert sum(counts) == ITEMS
    one = next(n for n, one in enumerate(said) if one.prediction is not None and not one.is_right and one.answer == "word 1")
    truth, answer = said[one].answer, said[one].prediction
    count = sum((it.answer, it.prediction) == (truth, answer) for it in said)
    label = f"true {truth}, said {answer}: {count}"
    page.run("[...document.querySelectorAll('.matrix button')].find(one => one.getAttribute('aria-label') === arguments[0]).click()", label)
    assert page.run(COUNT) == of(count)
    assert LABELS[network] in page.run("return document.getElementById('uncell').parentElement.textContent")
    assert page.run("return document.activeElement.id") == "uncell"
    assert press(page, "show all again") == of(ITEMS)


def test_arrow_keys_move_between_cells(page: Browser) -> None:
    script = """
      const reached = [...document.querySelectorAll('.matrix button')].filter(one => one.tabIndex === 0);
      if (arguments[0]) reached[0].dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}));
      return reached.length;
    """
    assert page.run(script, "") == 1
    page.run("[...document.querySelectorAll('.matrix button')].find(one => one.tabIndex === 0).focus()")
    place = "const {parentElement: cell} = document.activeElement; return [cell.parentElement.rowIndex, cell.cellIndex]"
    row, column = page.run(place)
    page.run(script, "ArrowDown")
    below = page.run(place)
    assert below[0] > row and below[1] == column and page.run(script, "") == 1
    page.run(script, "ArrowRight")
    beside = page.run(place)
    assert beside[0] == below[0] and beside[1] > column
    page.run(script, "ArrowLeft")
    page.run(script, "ArrowUp")
    assert page.run(place) == [row, column]


def test_pages_go_on_and_back(page: Browser) -> None:
    press(page, "all questions")
    seen = []
    for step in ("first", "next", "next", "previous", "last"):
        press(page, step)
        number = page.run("return Number(document.querySelector('.pager span').textContent.split(' ')[1])")
        page.until("return document.querySelector('article')?.dataset.row === arguments[0]", str((number - 1) * SHOWN))
        seen.append(number)
    assert seen == [1, 2, 3, 2, -(-ITEMS // SHOWN)]
    assert page.run(TITLES)[-1] == f"i{ITEMS - 1}"
    assert page.run("return [...document.querySelectorAll('.pager button')].map(one => one.disabled)") == [False, False, True, True]


def test_an_example_shows_question_truth_and_every_answer_with_its_chance(page: Browser) -> None:
    press(page, "all questions")
    page.until("return document.querySelector('article')?.dataset.row === '0'")
    text = page.run("return document.querySelector('article').textContent")
    assert text.startswith("question i0") and f"is {HOSTILE[0]}" in text and "true answer: word 0" in text
    rows = page.run("return [...document.querySelectorAll('article')][0].querySelectorAll('tbody tr').length")
    heads = page.run("return [...document.querySelector('article thead').querySelectorAll('th')].map(one => one.textContent)")
    picture = "const one = document.querySelector('article img'); return one.complete && [one.naturalWidth, one.getAttribute('alt')]"
    assert page.until(picture) == [240, "the frames that were sampled of its video"]
    assert rows == len(LABELS) and heads == ["", "seed 0", "seed 1"]
    cell = page.run("return document.querySelector('article tbody td').textContent")
    said = predictions(0, ITEMS)[0]
    assert cell == f"{'✓' if said.is_right else '✗'}\u00a0{said.prediction}{said.prediction} 75.0\u00a0%word 0 12.5\u00a0%"
    assert page.run("return document.querySelectorAll('article')[3].querySelector('tbody td').textContent") == "no answer"


def test_hostile_answers_are_shown_as_they_are(page: Browser) -> None:
    press(page, "all questions")
    answers = {one.answer for one in predictions(0, ITEMS)}
    assert set(HOSTILE) | {HALF} <= answers
    for text in HOSTILE:
        pick(page, "true answer", text)
        page.until("return document.querySelector('article strong')?.textContent === arguments[0]", text)
        assert page.run("return document.querySelectorAll('article img[src=x], article script, main b').length") == 0
    direction = page.run("return getComputedStyle(document.querySelector('article bdi')).unicodeBidi")
    assert direction == "isolate"


def test_hover_and_arrow_keys_show_the_numbers_of_a_curve(page: Browser) -> None:
    script = "return document.querySelector('figure.plot').querySelector(arguments[0]).textContent"
    key = "document.querySelector('figure.plot svg').dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
    assert page.run(script, "output") == ""
    page.run(key, "End")
    assert page.run(script, ".at") == "epoch 3" and page.run(script, "output") == "40.5 ± 6.353"
    page.run(key, "ArrowLeft")
    assert page.run(script, ".at") == "epoch 2" and page.run(script, "output") == "35.5 ± 6.353"
    point = """
      const svg = document.querySelector('figure.plot svg'); svg.scrollIntoView();
      const box = svg.getBoundingClientRect();
      svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + 0.15 * box.width, clientY: box.top + 20, bubbles: true}));
    """
    page.run(point)
    assert page.run(script, ".at") == "epoch 1"
    assert page.run("return document.querySelector('figure.plot output').title") == "seed 0: 30, seed 1: 31"


def test_each_seed_is_drawn_by_itself_when_asked(page: Browser) -> None:
    shown = "return [...document.querySelectorAll('#curves .one')].filter(one => getComputedStyle(one).display !== 'none').length"
    assert page.run(shown) == 0
    page.run("document.querySelector('.apart').click()")
    assert page.run(shown) > 0


def test_a_link_opens_what_it_leads_to(page: Browser) -> None:
    page.run("document.querySelector('#scores tbody a').click()")
    page.until("return document.getElementById('from-0').open")
    page.run("document.querySelector('#from-0 li a').click()")
    page.until("return [...document.querySelectorAll('details.card')].some(one => one.open)")


@pytest.mark.parametrize("width", [360, 700, 1600])
def test_nothing_sticks_out_at_any_width(page: Browser, width: int) -> None:
    page.narrow(width, 900)
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    wide, inner = page.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert inner == width or (width == 360 and inner <= 500), "Firefox makes no window narrower than 500"
    assert wide <= inner


def test_a_missing_file_of_data_is_told(browser: Browser, tmp_path: Path) -> None:
    index = written(tmp_path, items=5)
    (index.parent / "data" / "seed_1.js").unlink()
    browser.open(index.as_uri())
    browser.run("document.getElementById('confusion').scrollIntoView()")
    told = browser.until("return document.querySelector('[role=alert]')?.textContent")
    assert told == "data/seed_1.js cannot be loaded: it belongs beside this page"
    browser.complaints()
