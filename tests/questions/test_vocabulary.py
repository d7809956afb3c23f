"""Tokenisation, vocabulary and encodings agree with the published code and hold their rules for any input."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.questions.tokens import question_tokens, tokenise
from stages.questions.vocabulary import Vocabulary, answer_ids, build_vocabulary, encode_answers, encode_questions, question_ids

WORDS = st.text("abc é", min_size=1, max_size=3)
QUESTIONS = st.lists(st.lists(WORDS, max_size=6), max_size=12)


def test_tokens_agree_with_every_golden_example(golden: dict) -> None:
    for text, tokens in golden["tokenisation"].items():
        assert tokenise(text) == tokens, text


def test_the_last_character_is_dropped_whatever_it_is() -> None:
    assert question_tokens("Who is JUMPING?") == ["who", "is", "jumping"]
    assert question_tokens("who is jumping") == ["who", "is", "jumpin"]
    assert question_tokens("?") == []
    assert question_tokens("") == []


def test_vocabulary_and_ids_agree_with_the_golden_annotations(golden: dict) -> None:
    for run, top in (("msvd-qa", golden["answer_top_small"]), ("msvd-qa-top4000", 4000)):
        tokens = {split: [question_tokens(a["question"]) for a in rows] for split, rows in golden["annotations"].items()}
        answers = {split: [a["answer"] for a in rows] for split, rows in golden["annotations"].items()}
        vocabulary = build_vocabulary(tokens["train"], answers["train"], top)
        expected = golden["results"][f"{run}/vocab"]
        text = vocabulary.to_json()
        assert json.loads(text) == expected
        assert text == json.dumps(expected, indent=4)  # the order of the maps is part of the format
        for split in ("train", "val", "test"):
            want = golden["results"][f"{run}/{split}"]
            ids, lengths = encode_questions(tokens[split], vocabulary.questions, empty="paper")
            assert ids.tolist() == want["questions"]
            assert lengths.tolist() == want["questions_len"]
            assert ids.dtype == lengths.dtype == np.int32
            got = encode_answers(answers[split], vocabulary.answers, train=split == "train")
            assert got.tolist() == want["answers"]


def test_an_empty_question_becomes_one_unk_and_keeps_a_length_of_one() -> None:
    ids, lengths = encode_questions([["a"], []], {"<NULL>": 0, "<UNK>": 1, "a": 2})
    assert ids.tolist() == [[2], [1]]
    assert lengths.tolist() == [1, 1]


def test_a_split_without_questions_has_empty_arrays() -> None:
    ids, lengths = encode_questions([], {"<NULL>": 0, "<UNK>": 1})
    assert ids.shape == (0, 0)
    assert lengths.shape == (0,)


@given(st.lists(WORDS, max_size=40), st.integers(0, 8))
def test_answers_are_cut_by_count_and_ties_keep_first_appearance(answers: list[str], top: int) -> None:
    ids = answer_ids(answers, top)
    kept = list(ids)[2:]
    order = {answer: i for i, answer in enumerate(dict.fromkeys(answers))}
    counts = Counter(answers)
    assert kept == sorted(order, key=lambda a: (-counts[a], order[a]))[:top]
    assert list(ids.values()) == list(range(len(ids)))


@given(QUESTIONS)
def test_every_training_question_can_be_read_back(token_lists: list[list[str]]) -> None:
    ids = question_ids(token_lists)
    names = {i: token for token, i in ids.items()}
    encoded, lengths = encode_questions(token_lists, ids)
    for row, length, tokens in zip(encoded, lengths, token_lists):
        assert [names[i] for i in row[:length]] == (tokens or ["<UNK>"])
        assert not row[length:].any()


@given(QUESTIONS, st.lists(WORDS, max_size=5))
def test_the_vocabulary_file_reads_back(token_lists: list[list[str]], answers: list[str]) -> None:
    vocabulary = build_vocabulary(token_lists, answers, 4000)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
