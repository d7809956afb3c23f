"""What is said of a file, for people and as JSON: one line a file and question, so that a program can read it as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models.prediction import Answer, Choice
from pipeline.predict.asking import Said
from pipeline.text import line_text

#: Characters of the bar beside a probability of 1, and the least room for names.
BAR, NAME = 20, 16


def named(said: Said) -> str:
    """The file, or the question where that is what is wrong."""
    return line_text(said.file or said.question)


def as_json(said: Said, network: str, key: str) -> str:
    """One line: file, question, the network with its key, and what it says or why it says nothing."""
    row: dict[str, Any] = {name: value for name, value in (("file", said.file), ("question", said.question)) if value}
    if said.answer is not None:
        row |= {"network": network, "key": key, **_plain(said.answer)}
    row |= {name: value for name, value in (("error", said.lack), ("note", said.note)) if value}
    return json.dumps(row, ensure_ascii=False)


def _plain(answer: Answer) -> dict[str, Any]:
    if answer.what == "segments":
        rows = [{"name": part.name, "score": part.score, "start": part.start, "end": part.end} for part in answer.segments]
    else:
        rows = [{"name": choice.name, **_said(choice)} for choice in answer.choices]
    return {answer.what: rows}


def _said(choice: Choice) -> dict[str, float | None]:
    return {"probability": choice.probability} if choice.probability is not None else {"score": choice.score}


def lines(said: Said) -> Iterator[str]:
    """Which file and question, then choices with their probabilities, or segments in the order of their times."""
    assert said.answer is not None
    yield "   ".join(line_text(text) for text in (said.file, said.question, f"({said.note})" if said.note else "") if text)
    if said.answer.what == "segments" and not said.answer.segments:
        yield "  nothing is found in it"
    for part in sorted(said.answer.segments, key=lambda one: (one.start, one.end)):
        yield f"  {part.start:7.1f} s to {part.end:7.1f} s  {part.score:5.3f}  {line_text(part.name)}"
    width = max((len(choice.name) for choice in said.answer.choices), default=0)
    for choice in said.answer.choices:
        name = f"  {line_text(choice.name):{max(width, NAME)}}"
        if choice.probability is None:
            yield f"{name} {choice.score:7.3f}"
        else:
            yield f"{name} {100 * choice.probability:5.1f} %  {'▇' * round(BAR * choice.probability)}".rstrip()
