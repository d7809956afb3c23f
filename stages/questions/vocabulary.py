"""Vocabulary and encodings of VideoQA: the community's ``<dataset>_vocab.json`` and the ids that go with it.

Facts of the format (HCRN, kept by DualVGR): two reserved ids on each side, question tokens in order of first
appearance, answers by decreasing count. An answer outside the vocabulary is 0 in training and 1 elsewhere. No training
sample has label 1, so a question with an unknown answer always counts as wrong: the standard protocol.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError

NULL = "<NULL>"
UNK = "<UNK>"
NULL_ID = 0
UNK_ID = 1
#: ids of an answer outside the vocabulary: in training, and in validation and test
UNKNOWN_ANSWER_TRAIN = 0
UNKNOWN_ANSWER_HELD_OUT = 1

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Vocabulary:
    """Token -> id of questions and answers."""

    questions: Mapping[str, int]
    answers: Mapping[str, int]

    def to_json(self) -> str:
        """The community's file: three maps, indent 4 (the third is left over from another task; loaders expect it)."""
        return json.dumps(
            {
                "question_token_to_idx": dict(self.questions),
                "answer_token_to_idx": dict(self.answers),
                "question_answer_token_to_idx": {NULL: NULL_ID, UNK: UNK_ID},
            },
            indent=4,
        )

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """Read the community's file. Raises DataError, with the place, if it is none."""
        try:
            maps = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"not a vocabulary: {error}", hint="vocab.json is what kdpipe questions writes") from error
        return cls(_ids(maps, "question_token_to_idx"), _ids(maps, "answer_token_to_idx"))


def _ids(maps: Any, key: str) -> dict[str, int]:
    """The map called ``key``: every token its own id, from 0 without a gap."""
    ids = maps.get(key) if isinstance(maps, dict) else None
    if not isinstance(ids, dict):
        raise DataError(f"not a vocabulary: it has no map {key!r}", hint="vocab.json is what kdpipe questions writes")
    if any(type(id) is not int for id in ids.values()) or sorted(ids.values()) != list(range(len(ids))):
        raise DataError(f"not a vocabulary: the ids of {key!r} are not the numbers from 0 to {len(ids) - 1}", hint="kdpipe questions")
    return ids


def answer_ids(answers: Iterable[str], top: int) -> dict[str, int]:
    """``<UNK0>``, ``<UNK1>``, then the ``top`` most frequent of the training ``answers``; ties keep first appearance."""
    ids = {"<UNK0>": 0, "<UNK1>": 1}
    for answer, _ in Counter(answers).most_common(top):
        ids[answer] = len(ids)
    return ids


def question_ids(token_lists: Iterable[Sequence[str]]) -> dict[str, int]:
    """``<NULL>``, ``<UNK>``, then every token in order of first appearance."""
    ids = {NULL: NULL_ID, UNK: UNK_ID}
    for tokens in token_lists:
        for token in tokens:
            ids.setdefault(token, len(ids))
    return ids


def build_vocabulary(token_lists: Iterable[Sequence[str]], answers: Iterable[str], top: int) -> Vocabulary:
    """Vocabulary of the training questions (their tokens) and answers."""
    return Vocabulary(question_ids(token_lists), answer_ids(answers, top))


def encode_questions(token_lists: Sequence[Sequence[str]], ids: Mapping[str, int], *, empty: str = "unk") -> tuple[IntArray, IntArray]:
    """Return (tokens (n, T) right-padded with 0, lengths (n,)); T is the longest question given here.

    An unknown token is ``<UNK>``. ``empty="unk"`` turns a question without a token into one ``<UNK>``; ``"paper"`` leaves its
    length 0, which the packed sequences of the question encoder cannot take.
    """
    rows = [[ids.get(token, UNK_ID) for token in tokens] for tokens in token_lists]
    if empty == "unk":
        rows = [row or [UNK_ID] for row in rows]
    tokens = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = row
    return tokens, np.array([len(row) for row in rows], np.int32)


def encode_answers(answers: Sequence[str], ids: Mapping[str, int], *, train: bool) -> npt.NDArray[np.int64]:
    """Return answer ids (n,); an answer outside the vocabulary is 0 in training, 1 elsewhere."""
    unknown = UNKNOWN_ANSWER_TRAIN if train else UNKNOWN_ANSWER_HELD_OUT
    return np.array([ids.get(answer, unknown) for answer in answers], np.int64)
