"""A made-up index over real files, and contexts to sample it with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from stages.sample import SampleParams


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data root."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def write_index(tmp_path: Path) -> Callable[..., Path]:
    """``write_index({"1": "a.avi"})`` indexes files under ``tmp_path/data``; a path that is not there is a missing video."""

    def write(files: dict[str, str], digests: dict[str, str] | None = None) -> Path:
        directory = tmp_path / "index"
        directory.mkdir(exist_ok=True)
        rows = []
        for id, name in files.items():
            path = tmp_path / "data" / name
            digest = (digests or {}).get(id) or (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
            rows.append({"id": id, "path": name if digest else None, "digest": digest, "splits": ["train"]})
        (directory / "media.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return directory

    return write


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., Context]:
    """``make_context("name", items="shared", workers=2, timeout=5.0, num_clips=2 ...)``."""

    def make(name: str = "out", *, items: str = "", workers: int = 1, root: Path | None = None, **params: Any) -> Context:
        out = tmp_path / name / "out"
        out.mkdir(parents=True)
        return Context(
            params=SampleParams(**{"num_clips": 2, "frames_per_clip": 4, "timeout": 60.0, **params}),
            out=out,
            scratch=out.parent,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"index": tmp_path / "index"},
            root=root or tmp_path / "data",
            items=ItemSet(tmp_path / (items or f"{name}.items")),
            workers=workers,
        )

    return make


def states(ctx: Context) -> dict[str, str]:
    """Id -> state, of the ledger."""
    return {entry.id: entry.state for entry in ctx.ledger.sorted()}


def rows(ctx: Context) -> list[dict[str, Any]]:
    """The lines of ``frames.jsonl``."""
    return [json.loads(line) for line in (ctx.out / "frames.jsonl").read_text().splitlines()]
