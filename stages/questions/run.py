"""The work of the ``questions`` stage: annotations in, token ids, vocabulary and word vectors out.

Writes
  vocab.json            the community's vocabulary file
  <split>.safetensors   tokens int32 (n, T), lengths int32 (n,), answers int64 (n,), video_ids int64 (n,), question_ids int64 (n,)
  glove.safetensors     glove float32 (Q, w): row i is the vector of token i
  coverage.json         how much of the language the vocabulary and the vectors cover, split by split
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from cache.errors import ConfigError, DataError
from cache.json_files import read_lines, write_json
from cache.stage import Context
from stages.questions.glove import Vector, embedded_vectors, glove_matrix, read_text_vectors
from stages.questions.tokens import question_tokens
from stages.questions.vocabulary import Vocabulary, build_vocabulary, encode_answers, encode_questions

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Question:
    """One line of ``questions.jsonl``, its question cut into tokens."""

    split: str
    id: int
    video_id: int
    answer: str
    tokens: list[str]


def run(ctx: Context) -> None:
    """Build the vocabulary from the training split, encode every split, look up the word vectors.

    The ledger names the questions that there is something to know about; ``coverage.json`` counts all of them.
    """
    params = ctx.params
    questions = read_questions(ctx.inputs["index"] / "questions.jsonl")
    if params.empty_question == "reject":
        _reject_empty(questions)
    train = [q for q in questions if q.split == "train"]
    if not train:
        raise DataError("the dataset has no training questions", hint="kdpipe index shows what the annotations hold")
    vocabulary = build_vocabulary([q.tokens for q in train], [q.answer for q in train], params.answer_top)
    (ctx.out / "vocab.json").write_text(vocabulary.to_json(), encoding="utf-8")
    for split in SPLITS:
        _write(ctx.out / f"{split}.safetensors", encode_split([q for q in questions if q.split == split], vocabulary, split))
    with ctx.progress("word vectors") as bar:
        vectors, width = load_vectors(vocabulary, params.glove, ctx.files.get("glove_file"), bar.step)
    if not vectors and len(vocabulary.questions) > 2:
        raise _no_vector(vocabulary, ctx.files.get("glove_file") if params.glove == "file" else None)
    matrix = glove_matrix(vocabulary.questions, vectors, width, missing=params.glove_missing)
    _write(ctx.out / "glove.safetensors", {"glove": matrix})
    write_json(ctx.out / "coverage.json", coverage(questions, vocabulary, matrix))
    for q in questions:
        if not q.tokens:
            ctx.ledger.add(f"{q.split}/{q.id}", "padded", "the question has no token: one <UNK> stands for it")


def read_questions(path: Path) -> list[Question]:
    """Read ``questions.jsonl`` of the index, in its order. Raises DataError on a video id that is no integer."""
    questions = []
    for number, row in enumerate(read_lines(path), 1):
        try:
            video_id = int(row["video_id"])
        except ValueError as error:
            raise DataError(
                f"{path.name}, line {number}: video_id {row['video_id']!r} is not an integer",
                hint="the question files of the community hold integer video ids; use a layout with numbered videos",
            ) from error
        questions.append(Question(row["split"], int(row["question_id"]), video_id, row["answer"], question_tokens(row["question"])))
    return questions


def encode_split(questions: Sequence[Question], vocabulary: Vocabulary, split: str) -> dict[str, np.ndarray]:
    """The arrays of one split's file; padding goes to the longest question of that split."""
    tokens, lengths = encode_questions([q.tokens for q in questions], vocabulary.questions)
    return {
        "tokens": tokens,
        "lengths": lengths,
        "answers": encode_answers([q.answer for q in questions], vocabulary.answers, train=split == "train"),
        "video_ids": np.array([q.video_id for q in questions], np.int64),
        "question_ids": np.array([q.id for q in questions], np.int64),
    }


def load_vectors(vocabulary: Vocabulary, source: str, path: Path | None, step: Callable[[int], None]) -> tuple[dict[str, Vector], int]:
    """Word vectors of the vocabulary's tokens, and their width, from the parameter ``glove``."""
    if source == "embedded":
        return embedded_vectors(vocabulary.questions)
    if path is None:
        raise ConfigError("questions.glove=file needs a file of word vectors", hint="--set questions.glove_file=PATH/glove.840B.300d.txt")
    return read_text_vectors(path, vocabulary.questions, step=step)


def coverage(questions: Sequence[Question], vocabulary: Vocabulary, matrix: Vector) -> dict[str, object]:
    """How much of the language is known: tokens with a vector, tokens and answers outside the vocabulary, empty questions."""
    has_vector = matrix.any(axis=1)
    splits = {}
    for split in SPLITS:
        mine = [q for q in questions if q.split == split]
        tokens = [token for q in mine for token in q.tokens]
        splits[split] = {
            "questions": len(mine),
            "empty_questions": sum(not q.tokens for q in mine),
            "tokens": len(tokens),
            "unknown_tokens": sum(token not in vocabulary.questions for token in tokens),
            "tokens_with_vector": sum(bool(has_vector[vocabulary.questions.get(token, 1)]) for token in tokens),
            "unknown_answers": sum(q.answer not in vocabulary.answers for q in mine),
        }
    without = [token for token, row in vocabulary.questions.items() if row > 1 and not has_vector[row]]
    return {
        "answer_classes": len(vocabulary.answers),
        "question_tokens": len(vocabulary.questions),
        "glove": {"width": int(matrix.shape[1]), "words_with_vector": int(has_vector.sum()), "words_without_vector": sorted(without)},
        "splits": splits,
    }


def _reject_empty(questions: Sequence[Question]) -> None:
    for q in questions:
        if not q.tokens:
            raise DataError(
                f"{q.split}_qa.json, entry {q.id}: the question is empty after its last character is dropped",
                hint="mend the annotation, or --set questions.empty_question=unk",
            )


def _no_vector(vocabulary: Vocabulary, path: Path | None) -> DataError:
    shown = ", ".join(repr(token) for token in list(vocabulary.questions)[2:5])
    return DataError(
        f"{path or 'the embedded GloVe'} has a vector for none of the {len(vocabulary.questions) - 2} words of the questions ({shown} ...)",
        hint="word vectors of the questions' language, in lower case: --set questions.glove=file --set questions.glove_file=PATH",
    )


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.write_bytes(save(arrays))
