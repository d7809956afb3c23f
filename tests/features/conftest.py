"""Feature files as others write them, with plain h5py: a re-creation of the published writers that shares no code with kdpipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cache.ledger import Ledger
from cache.stage import Context, Quiet
from stages.imported import ImportedParams
from stages.imported.run import run
from stages.imported.source import digest

#: ids of the dataset, in the order of its index
IDS = ["1", "2", "7", "10", "30"]
SHAPES = {"appearance": (2, 4, 6), "motion": (2, 6)}
NAMES = {"appearance": "resnet_features", "motion": "resnext_features"}


def features(kind: str = "appearance", count: int = len(IDS), shape: tuple[int, ...] = (), seed: int = 0) -> np.ndarray:
    """Non-negative rows, as pooled features are."""
    return np.random.default_rng(seed).random((count, *(shape or SHAPES[kind])), np.float32)


def published(path: Path, rows: np.ndarray, ids: Any, array: str = "resnet_features", **how: Any) -> Path:
    """What the published extractors do: preallocate, fill in the order of a shuffled list, ids beside."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset(array, shape=rows.shape, dtype=how.pop("dtype", rows.dtype), **how)
        kept = file.create_dataset("ids", shape=(len(rows),), dtype=ids.dtype) if isinstance(ids, np.ndarray) else None
        for number, row in enumerate(rows):
            data[number] = row
            if kept is not None:
                kept[number] = ids[number]
        if kept is None:
            file.create_dataset("ids", data=ids)
    return path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """An index artifact with :data:`IDS`."""
    path = tmp_path / "index"
    path.mkdir()
    (path / "dataset.json").write_text(json.dumps({"name": "msvd-qa"}))
    (path / "media.jsonl").write_text("".join(json.dumps({"id": id}) + "\n" for id in IDS))
    return path


@pytest.fixture
def context(tmp_path: Path, index: Path) -> Callable[..., Context]:
    """Return a function (file, **params) that makes the context of an import."""

    def make(path: Path, **params: Any) -> Context:
        out, scratch = tmp_path / f"out{len(list(tmp_path.iterdir()))}", tmp_path / "scratch"
        out.mkdir()
        scratch.mkdir(exist_ok=True)
        known = {"sha256": digest(path, Quiet)} if path.exists() else {}
        options = ImportedParams(**{"file": str(path), **known, **params})
        return Context(params=options, out=out, scratch=scratch, ledger=Ledger(), progress=Quiet, inputs={"index": index})

    return make


@pytest.fixture
def imported(context: Callable[..., Context]) -> Callable[..., Context]:
    """Return a function that imports a file and gives back the context."""

    def work(path: Path, **params: Any) -> Context:
        ctx = context(path, **params)
        run(ctx)
        return ctx

    return work


def states(ctx: Context) -> dict[str, str]:
    return {entry.id: entry.state for entry in ctx.ledger.sorted()}
