"""The work of an imported node: somebody else's rows, each looked at, in our layout and the order of the index.

Writes what ``extract`` writes: ``<dataset>_<kind>_feat.h5`` and ``features.json``, which says that it was imported, from what (by
content) and how it was read. Memory holds one row at a time.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Protocol

from cache.errors import DataError
from cache.hdf5 import FeatureWriter
from cache.stage import Context
from stages.imported import pictures
from stages.imported.ids import Match, match
from stages.imported.kinds import IMPORTABLE
from stages.imported.rows import ARRAYS, FloatArray, Source, Unpacked, restored
from stages.imported.source import digest, open_source, signature


class Rows(Protocol):
    """Rows by number."""

    def row(self, number: int) -> FloatArray: ...


def run(ctx: Context) -> None:
    """Check that the file is the one that was imported, then write its rows down."""
    params, path = ctx.params, Path(ctx.params.file)
    again = f"kdpipe import-features {path.name} imports it anew; kdpipe import-features --undo goes back to computing"
    if not path.exists():
        raise DataError(f"{path}, which the {IMPORTABLE[params.kind].what} were imported from, is not there any more", hint=again)
    before = signature(path, params.kind)
    if digest(path, ctx.progress, params.kind) != params.sha256:
        raise DataError(f"{path} is not what was imported: its sha256 is not {params.sha256[:12]}…", hint=again)
    with open_source(path, params.kind, params.array, params.ids_array) as source:
        if isinstance(source, pictures.Pictures):
            pictures.write(ctx, source)
        else:
            write(ctx, source)
    if signature(path, params.kind) != before:
        raise DataError(f"{path} was changed while it was being read; nothing was published", hint=again)


def write(ctx: Context, source: Source) -> None:
    """Write the feature file and ``features.json``; the ledger tells what became of every video of the index."""
    media = (ctx.inputs["index"] / "media.jsonl").read_text(encoding="utf-8").splitlines()
    matched = match(source.ids, [json.loads(line)["id"] for line in media], ctx.params.ids)
    shape = restored(ctx.params.kind, source.shape)
    if shape is None:
        raise DataError(f"{source.path}: rows of the shape {list(source.shape)} are no {IMPORTABLE[ctx.params.kind].what}")
    for id in matched.missing:
        ctx.ledger.add(id, "missing", "the imported file has no row for it")
    dataset = json.loads((ctx.inputs["index"] / "dataset.json").read_text(encoding="utf-8"))["name"]
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', dataset)}_{ctx.params.kind}_feat.h5"
    rows: Rows = source
    if not source.in_any_order:
        source.unpack(ctx.scratch / "rows.f32", ctx.progress)
        rows = Unpacked(ctx.scratch / "rows.f32", source.shape)
    written = list(matched.rows)
    while dropped := _write(ctx, rows, matched, ctx.out / name, written, shape):
        written = [id for id in written if id not in dropped]
        if not written:
            raise DataError(f"{source.path} has no usable row for a video of {dataset}")
    zeros = [id for id in written if ctx.ledger.entries[id].state == "padded"]
    text = json.dumps(_about(ctx, source, matched, name, dataset, shape, written, zeros), indent=2, sort_keys=True) + "\n"
    (ctx.out / "features.json").write_text(text, encoding="utf-8")


def _write(ctx: Context, rows: Rows, matched: Match, path: Path, ids: list[str], shape: tuple[int, ...]) -> set[str]:
    """Write the rows of ``ids``; returns those that must not be in the file after all, which is then to be written again."""
    dropped: set[str] = set()
    with FeatureWriter(path, ARRAYS[ctx.params.kind], ids, shape) as file, ctx.progress("import", total=len(ids)) as bar:
        for id in ids:
            row = rows.row(matched.rows[id]).reshape(shape)
            if not _note(ctx, id, row):
                dropped.add(id)
            file.append(row)
            ctx.members.add(id, "", hashlib.sha256(row.tobytes()).hexdigest())
            bar.step()
    for id in dropped:
        del ctx.members.rows[id]
    return dropped


def _note(ctx: Context, id: str, row: FloatArray) -> bool:
    """Say what a row is; whether it may be used."""
    low, high = float(row.min()), float(row.max())  # a NaN is both
    if not abs(low) < float("inf") or not abs(high) < float("inf"):
        ctx.ledger.add(id, "non_finite", "its row in the imported file holds NaN or infinity")
        return False
    if low == high == 0:
        keep = ctx.params.zero_rows == "keep"
        ctx.ledger.add(id, "padded", "its row in the imported file is all zeros; " + ("used as it is" if keep else "it has no row"))
        return keep
    ctx.ledger.add(id, "ok")
    return True


def _about(
    ctx: Context, source: Source, matched: Match, name: str, dataset: str, shape: tuple[int, ...], written: list[str], zeros: list[str]
) -> dict[str, Any]:
    lengths = dict(zip(IMPORTABLE[ctx.params.kind].axes, shape))
    return {
        "kind": ctx.params.kind,
        "file": name,
        "array": ARRAYS[ctx.params.kind],
        "dataset": dataset,
        "backbone": "imported",
        "weights": "imported",
        "random": False,
        "width": shape[-1],
        "clips": lengths.get("clips"),
        "frames": lengths.get("frames"),
        "image_size": None,
        "input": "imported",
        "videos": len(written),
        "zero_rows": zeros,
        "imported": {
            "sha256": ctx.params.sha256,
            "array": source.array,
            "dtype": source.dtype,
            "rows": len(source.ids),
            "ids": matched.rule,
            "squeezed": shape != source.shape,
            "unexpected": len(matched.unexpected),
        },
    }
