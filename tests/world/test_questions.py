"""Questions read like the real ones, have one-word answers that follow from the plan, and can't be guessed from their words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from world.actions import ACTIONS
from world.plan import COLOURS, KINDS, SCENES, make_plan
from world.questions import TYPES, Question, ask
from world.render import Film, stage_film

VIDEOS = 90


@pytest.fixture(scope="module")
def asked() -> list[tuple[Film, list[Question]]]:
    films = [stage_film(make_plan(0, i)) for i in range(VIDEOS)]
    return [(film, ask(film, 0)) for film in films]


def test_questions_are_lower_case_of_a_known_type_and_end_in_a_question_mark(asked: list[tuple[Film, list[Question]]]) -> None:
    for _, questions in asked:
        for q in questions:
            assert q.question == q.question.lower() and q.question.endswith("?") and "  " not in q.question
            assert q.question.split()[0] in TYPES


def test_answers_are_single_words(asked: list[tuple[Film, list[Question]]]) -> None:
    assert all(re.fullmatch(r"[a-z]+", q.answer) for _, questions in asked for q in questions)


def test_every_type_occurs_and_what_is_the_most_frequent(asked: list[tuple[Film, list[Question]]]) -> None:
    counts = Counter(q.question.split()[0] for _, questions in asked for q in questions)
    assert set(counts) == set(TYPES) and counts.most_common(1)[0][0] == "what"


def test_a_video_has_at_most_twelve_questions_and_never_the_same_twice(asked: list[tuple[Film, list[Question]]]) -> None:
    for _, questions in asked:
        texts = [q.question for q in questions]
        assert 5 <= len(texts) <= 12 and len(set(texts)) == len(texts)


def test_action_answers_are_done_by_somebody(asked: list[tuple[Film, list[Question]]]) -> None:
    for film, questions in asked:
        done = {s.action for a in film.plan.actors for s in a.segments}
        assert all(q.answer in done for q in questions if q.family in ("action", "order", "shared"))


def test_answers_about_people_scene_and_colours_agree_with_the_plan(asked: list[tuple[Film, list[Question]]]) -> None:
    for film, questions in asked:
        for q in questions:
            if q.family in ("doing", "who-order", "holding", "looks"):
                assert q.answer in {a.kind for a in film.plan.actors} <= set(KINDS)
            if q.family == "scene":
                assert q.answer == film.plan.scene in SCENES
            if q.family == "colour":
                assert q.answer in COLOURS
            if q.family == "day":
                assert q.answer == ("night" if film.plan.night else "day")


def test_the_same_words_have_many_answers(asked: list[tuple[Film, list[Question]]]) -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, questions in asked:
        for q in questions:
            answers[q.question][q.answer] += 1
    repeated = [c for c in answers.values() if sum(c.values()) >= 8]
    assert repeated and sum(c.most_common(1)[0][1] for c in repeated) / sum(sum(c.values()) for c in repeated) < 0.6


def test_every_action_can_be_planned() -> None:
    seen = {s.action for i in range(900) for a in make_plan(0, i).actors for s in a.segments}
    assert set(ACTIONS) <= seen
