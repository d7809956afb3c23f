"""Official layouts in a temporary directory (the files are text: the index never opens them)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.ledger import Ledger
from cache.stage import Context, Quiet
from stages.index import IndexParams


def entry(id: int, video: int, question: str = "what is it?", answer: str = "dog", **more: Any) -> dict[str, Any]:
    """One object of an annotation file."""
    return {"id": id, "video_id": video, "question": question, "answer": answer, **more}


ANNOTATIONS = {
    "train": [entry(0, 1), entry(1, 10, "who runs?", "man"), entry(2, 1, "how many?", "two")],
    "val": [entry(3, 2)],
    "test": [entry(4, 3, "where is it?", "street"), entry(5, 2)],
}
NAMES = {1: "AbCdEfGhIjK_12_20", 2: "-xYz_0123456_5_17", 3: "_______----_0_1", 4: "unusedvideo_1_2", 10: "abc-def_ghi_10_20"}


def write_annotations(root: Path, annotations: dict[str, Any]) -> None:
    """Write ``<split>_qa.json``; a text is written as it is."""
    for split, value in annotations.items():
        (root / f"{split}_qa.json").write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


@pytest.fixture
def msvd(tmp_path: Path) -> Path:
    """A data root in the layout of MSVD-QA; the mapping ends without a newline."""
    root = tmp_path / "msvd"
    (root / "YouTubeClips").mkdir(parents=True)
    (root / "youtube_mapping.txt").write_text("\n".join(f"{name} vid{id}" for id, name in NAMES.items()))
    for id, name in NAMES.items():
        (root / "YouTubeClips" / f"{name}.avi").write_text(f"video {id}")
    write_annotations(root, ANNOTATIONS)
    return root


@pytest.fixture
def msrvtt(tmp_path: Path) -> Path:
    """A data root in the layout of MSRVTT-QA."""
    root = tmp_path / "msrvtt"
    for folder in ("TrainValVideo", "TestVideo"):
        (root / folder).mkdir(parents=True)
    for folder, id in (("TrainValVideo", 0), ("TrainValVideo", 7), ("TrainValVideo", 6513), ("TestVideo", 7010), ("TestVideo", 9999)):
        (root / folder / f"video{id}.mp4").write_text(f"video {id}")
    train = [entry(0, 7, category_id=9), entry(1, 0, category_id=9)]
    write_annotations(root, {"train": train, "val": [entry(2, 6513, category_id=1)], "test": [entry(3, 7010, category_id=2)]})
    return root


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    """``make_context(root, layout=..., sources={...})``."""

    def make(root: Path, sources: dict[str, str] | None = None, name: str = "out", **params: Any) -> Context:
        out = tmp_path / name
        out.mkdir()
        return Context(IndexParams(**params), out, out, Ledger(), Quiet, root=root, sources=sources or {})

    return make


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
