"""Write the index: ``dataset.json``, ``media.jsonl``, ``questions.jsonl``."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.errors import ConfigError, DataError, nearest
from cache.stage import Context
from stages.index import module_of
from stages.index.absence import Absences, is_file
from stages.index.dataset import Dataset, Layout, Video
from stages.index.soundness import check


def run(ctx: Context) -> None:
    """Read the layout under the data root and write it down; a video without a file is in the ledger as ``missing``."""
    if ctx.root is None:
        raise DataError("there is no data root to index", hint="DATA_ROOT=/where/the/dataset/is kdpipe index")
    dataset = _layout(ctx.params.layout).read(ctx.root)
    check(dataset)
    absences = Absences(ctx.root)
    with ctx.progress("index", total=len(dataset.videos)) as bar:
        media = []
        for video in dataset.videos:
            media.append(_media(ctx, video, absences))
            bar.step()
    _write(ctx.out / "media.jsonl", media)
    _write(ctx.out / "questions.jsonl", (asdict(question) for question in dataset.questions))
    text = json.dumps(_about(ctx.params, dataset), sort_keys=True, indent=1) + "\n"
    (ctx.out / "dataset.json").write_text(text, encoding="utf-8")


def _layout(name: str) -> Layout:
    """The adapter, found by its name: the table of all of them would make every dataset depend on every other."""
    spelt = name.replace("_", "-")
    if spelt != name:
        raise ConfigError(f"unknown layout '{name}'", hint=nearest(name, [spelt]))
    found: Layout = importlib.import_module(module_of(name)).LAYOUT
    return found


def _media(ctx: Context, video: Video, absences: Absences) -> dict[str, Any]:
    assert ctx.root is not None
    digest = ctx.sources.get(video.path)
    path = ctx.root / video.path
    if digest is None and is_file(path):
        digest = digest_file(path)
    row = {"id": video.id, "splits": list(video.splits), "digest": digest, "path": video.path if digest else None}
    if digest is None:
        ctx.ledger.add(video.id, "missing", absences.why(video.path))
    else:
        ctx.ledger.add(video.id, "ok")
    return row


def _about(params: Any, dataset: Dataset) -> dict[str, Any]:
    counted = Counter(question.split for question in dataset.questions)
    return {
        **dataset.about,
        "name": params.name or params.layout,
        "layout": params.layout,
        "videos": len(dataset.videos),
        "questions": {split: counted[split] for split in dataset.splits},
    }


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, sort_keys=True) + "\n" for row in rows)
