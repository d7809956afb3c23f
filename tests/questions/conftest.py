"""A runnable context and the golden numbers for the questions stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache.ledger import Ledger
from cache.stage import Context, Quiet
from tests.parity import where


@pytest.fixture(scope="session")
def golden() -> dict:
    """The case ``vocab_and_questions`` of the golden numbers."""
    root = where.GOLDEN
    path = root / "videoqa" / "vocab_and_questions.json"
    if not path.is_file():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def make_context(tmp_path: Path):
    """Return a function that writes an index with the given annotations and returns a context over it."""

    def make(annotations: dict[str, list[dict]], params: object, files: dict[str, Path] | None = None, name: str = "out") -> Context:
        index = tmp_path / "index"
        index.mkdir(exist_ok=True)
        rows = [
            {"split": split, "question_id": i, "video_id": str(a["video_id"]), "question": a["question"], "answer": a["answer"]}
            for split, entries in annotations.items()
            for i, a in enumerate(entries)
        ]
        (index / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        out = tmp_path / name
        out.mkdir()
        return Context(
            params=params,
            out=out,
            scratch=tmp_path,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"index": index},
            files=files or {},
        )

    return make
