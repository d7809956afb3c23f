"""Write the index: ``dataset.json``, ``media.jsonl``, ``questions.jsonl``, ``annotations.jsonl`` (docs/FORMAT.md)."""

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
from cache.npy import open_npy
from cache.stage import Context
from stages.index import module_of
from stages.index.absence import Absences, is_file
from stages.index.dataset import Dataset, Layout, Video
from stages.index.soundness import check


def run(ctx: Context) -> None:
    """Read the layout under the data root and write it down; what has no file, or another one than it should, is lost in the ledger."""
    if ctx.root is None:
        raise DataError("there is no data root to index", hint="DATA_ROOT=/where/the/dataset/is kdpipe index")
    layout = _layout(ctx.params.layout)
    dataset = layout.read(ctx.root)
    check(dataset, layout.holds)
    absences = Absences(ctx.root)
    with ctx.progress("index", total=len(dataset.videos)) as bar:
        media = []
        for video in dataset.videos:
            media.append(_media(ctx, video, layout, absences, dataset.notes.get(video.name, "")))
            bar.step()
    for name, why in dataset.absent.items():
        ctx.ledger.add(name, "missing", why)
    _write(ctx.out / "media.jsonl", media)
    _write(ctx.out / "questions.jsonl", map(asdict, dataset.questions))
    if dataset.annotations:
        _write(ctx.out / "annotations.jsonl", map(asdict, dataset.annotations))
    text = json.dumps(_about(ctx.params, dataset, layout), sort_keys=True, indent=1) + "\n"
    (ctx.out / "dataset.json").write_text(text, encoding="utf-8")


def _layout(name: str) -> Layout:
    """The adapter, found by its name: the table of all of them would make every dataset depend on every other."""
    spelt = name.replace("_", "-")
    if spelt != name:
        raise ConfigError(f"unknown layout '{name}'", hint=nearest(name, [spelt]))
    found: Layout = importlib.import_module(module_of(name)).LAYOUT
    return found


def _media(ctx: Context, video: Video, layout: Layout, absences: Absences, note: str) -> dict[str, Any]:
    """The row of a file. One that is lost has neither path nor digest."""
    assert ctx.root is not None
    path, more, state, reason = (
        ctx.root / video.path,
        {"modality": video.modality} if video.modality else {},
        "noted" if note else "ok",
        note,
    )
    digest = ctx.sources.get(video.path)
    if digest is None and is_file(path):
        digest = digest_file(path)
    if digest is None:
        state, reason = "missing", absences.why(video.path)
    elif video.modality in layout.arrays:
        try:
            array = open_npy(path, video.path, form=layout.arrays[video.modality])
            more |= {"dtype": str(array.dtype), "shape": list(array.shape)}
        except DataError as error:
            digest, state, reason = None, "not_media", error.message
    ctx.ledger.add(video.name, state, reason)
    return {"id": video.id, "splits": list(video.splits), "digest": digest, "path": video.path if digest else None, **more}


def _about(params: Any, dataset: Dataset, layout: Layout) -> dict[str, Any]:
    about = {**dataset.about, "name": params.name or params.layout, "layout": params.layout, "videos": len({v.id for v in dataset.videos})}
    if dataset.classes:
        about |= {"classes": list(dataset.classes), "num_classes": len(dataset.classes)}
    if "audio" in layout.streams:
        about["streams"] = list(layout.streams)
    if not dataset.annotations:
        counted = Counter(question.split for question in dataset.questions)
        return {**about, "questions": {split: counted[split] for split in dataset.splits}}
    said = Counter(annotation.video_id for annotation in dataset.annotations)
    within = {split: {video.id for video in dataset.videos if split in video.splits} for split in dataset.splits}
    return {**about, "annotations": {split: sum(said[id] for id in ids) for split, ids in within.items()}}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, sort_keys=True) + "\n" for row in rows)
