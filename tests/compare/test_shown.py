"""A comparison as people see it: lines of a terminal, and a page that nothing in the data can break."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cache.errors import KdpipeError
from pipeline.compare.lines import lines
from pipeline.compare.page import page, write
from tests.compare.conftest import Compare, Results
from tests.report.pages import HALF, HOSTILE


@pytest.fixture
def comparison(results: Results, compared: Compare) -> dict[str, Any]:
    return compared(results.experiment(1.0), results.experiment(2.0, right="q1 q5"))


def test_the_lines_say_what_differs_the_scores_and_the_items(comparison: dict[str, Any]) -> None:
    told = "\n".join(lines(comparison))
    assert "  student.kd.s0, student.kd.s1: param kd_alpha 1.0 → 2.0" in told
    assert "video question answering on tiny: test accuracy in %; 2 seeds (0, 1)" in told
    assert re.search(r"^student distilled +A +47\.0 ± \d", told, re.M) and re.search(r"^ +B − A +\+0\.0 ± 0\.0", told, re.M)
    assert "the same network on both sides: teacher, student alone" in told
    assert "8 questions that both were asked: right A 25.0 %, B 25.0 %, B − A +0.0 points" in told
    assert re.search(r"q5 +true run +A sit +B run +right A 0, B 2 of 2 +what is q5", told)


def test_more_changed_items_than_the_limit_are_counted(results: Results, compared: Compare) -> None:
    found = compared(results.experiment(1.0), results.experiment(2.0, right="q0 q1 q4 q5 q6"), limit=2)
    told = list(lines(found))
    assert "  B right, A wrong: 3" in told and "    … and 1 more (--limit)" in told


def test_without_answers_by_item_the_lines_say_so(results: Results, compared: Compare) -> None:
    told = list(lines(compared(results.experiment(1.0, keep=False), results.experiment(2.0, keep=False))))
    assert told[-1] == "student distilled: no question has an answer of its own on both sides: only scores are compared"


class Reader(HTMLParser):
    """What a browser would see: text by the element it stands in, and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_hostile_texts_stay_text_on_the_page(comparison: dict[str, Any]) -> None:
    changed = comparison["networks"][0]["items"]["changed"]["gained"]["shown"][0]
    changed |= {"item": HOSTILE[0], "answer": HOSTILE[1], "a": [HOSTILE[2]], "b": [HOSTILE[3]], "about": {"question": list(HOSTILE[4:])}}
    comparison["a"]["name"] = HOSTILE[1]
    comparison["changes"][0]["text"] = HOSTILE[0]
    reader = Reader()
    reader.feed(page(comparison))
    assert not reader.tags & {"script", "img", "iframe", "object", "link"}
    assert not {name for name in reader.names if name.startswith("on")} and "src" not in reader.names
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3]} <= set(reader.texts)


def test_a_page_is_written_over_an_older_one_and_over_nothing_else(comparison: dict[str, Any], tmp_path: Path) -> None:
    comparison["networks"][0]["label"] = HALF
    path = write(tmp_path / "page", comparison)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>") and write(tmp_path / "page", comparison) == path
    path.write_text("mine")
    with pytest.raises(KdpipeError, match="no page of a comparison"):
        write(tmp_path / "page", comparison)
    assert path.read_text() == "mine"


def test_a_number_on_the_page_is_that_of_the_lines(comparison: dict[str, Any]) -> None:
    reader = Reader()
    reader.feed(page(comparison))
    shown = set(reader.texts)
    for line in lines(comparison):
        for number in re.findall(r"\d+\.\d ± \d+\.\d", line):
            assert any(number in text for text in shown), number
