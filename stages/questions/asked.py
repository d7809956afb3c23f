"""A question that somebody asks, as the stage would have encoded it: by the vocabulary that it wrote."""

from __future__ import annotations

import re
from pathlib import Path

from cache.errors import DataError
from cache.given import read_text
from stages.questions.tokens import question_tokens
from stages.questions.vocabulary import UNK_ID, Vocabulary

#: What a question ends with as the annotations have it: its last character is dropped, whatever it is.
END = "?"


def load_vocabulary(directory: Path) -> Vocabulary:
    """``vocab.json`` of a questions artifact."""
    return Vocabulary.from_json(read_text(directory / "vocab.json"))


def encode(text: str, vocabulary: Vocabulary) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Token ids of a question, and its words that the vocabulary lacks (``<UNK>`` stands for them).

    One that ends in a letter, a digit or a blank gets a question mark, which the published tokenisation drops. Raises DataError for one
    without a word.
    """
    asked = text.strip()
    asked = f"{asked}{END}" if re.search(r"\w$", asked) else asked
    tokens = question_tokens(asked)
    if not tokens:
        raise DataError("the question has no word", hint='for example --question "what is the man doing?"')
    unknown = tuple(dict.fromkeys(token for token in tokens if token not in vocabulary.questions))
    return tuple(vocabulary.questions.get(token, UNK_ID) for token in tokens), unknown
