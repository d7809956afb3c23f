"""Write the index: ``dataset.json``, ``media.jsonl``, ``questions.jsonl``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.errors import DataError
from cache.stage import Context
from stages.index.adapters import adapter
from stages.index.dataset import Dataset, Video


def run(ctx: Context) -> None:
    """Read the layout under the data root and write it down; a video without a file is in the ledger as ``missing``."""
    if ctx.root is None:
        raise DataError("there is no data root to index", hint="DATA_ROOT=/where/the/dataset/is kdpipe index")
    dataset = adapter(ctx.params.layout).read(ctx.root)
    with ctx.progress("index", total=len(dataset.videos)) as bar:
        media = []
        for video in dataset.videos:
            media.append(_media(ctx, video))
            bar.step()
    _write(ctx.out / "media.jsonl", media)
    _write(ctx.out / "questions.jsonl", (asdict(question) for question in dataset.questions))
    text = json.dumps(_about(ctx.params, dataset), sort_keys=True, indent=1) + "\n"
    (ctx.out / "dataset.json").write_text(text, encoding="utf-8")


def _media(ctx: Context, video: Video) -> dict[str, Any]:
    assert ctx.root is not None
    digest = ctx.sources.get(video.path)
    path = ctx.root / video.path
    if digest is None and path.is_file():
        digest = digest_file(path)
    row = {"id": video.id, "splits": list(video.splits), "digest": digest, "path": video.path if digest else None}
    if digest is None:
        what = "is not a plain file" if path.exists() else "is not there"
        ctx.ledger.add(video.id, "missing", f"{video.path} {what}")
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
