"""The work of the ``extract`` stage: sampled frames through a frozen network, one row of features a video.

Writes
  <dataset>_<kind>_feat.h5   float32 (N, C, F, V) of a kind that looks at frames, (N, C, V) of one that looks at clips; ids
  features.json              what they are: network, weights, sizes, which rows are zeros

The key says which arithmetic made a row, but for the processor (a group's machines share their rows). So each row says which, and a
run whose file holds rows of several says so.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.hdf5 import FeatureWriter
from cache.items import Item
from cache.ledger import Ledger
from cache.paced import Paced
from cache.stage import Context
from models.backbones.inputs import input_on
from models.backbones.registry import Backbone
from models.inference.batches import Item as Work
from models.inference.infer import Plan, infer
from models.inference.runtimes import processor
from stages.extract.calibration import read_ranges
from stages.extract.loader import clip_shape, load_clips
from stages.extract.network import network_of
from stages.extract.row import chunk_of, pack_row, unpack_row

FloatArray = npt.NDArray[np.float32]


def run(ctx: Context) -> None:
    """Compute the rows that are missing, then assemble the feature file in the order of the index."""
    sampled = _rows(ctx.inputs["sample"] / "frames.jsonl")
    if not sampled:
        raise DataError("the sample stage has no usable video", hint="kdpipe show sample: its ledger says why")
    entry = ctx.params.network
    compute(ctx, entry, sampled)
    assemble(ctx, entry, sampled)


def compute(ctx: Context, entry: Backbone, sampled: list[dict[str, Any]]) -> None:
    """Append a row to the item set for every frames payload that has none yet; equal frames are computed once."""
    assert ctx.items is not None
    wanted = {row["frames"]: row.get("source", row["media"]) for row in sampled}
    jobs = [(media, frames) for frames, media in wanted.items() if frames not in ctx.items]
    by = processor(ctx.params.runtime, ctx.device, ctx.params.precision) if jobs else ""
    with ctx.progress(f"extract {ctx.params.kind}", total=len(wanted)) as bar, Paced(ctx.items) as rows:
        bar.step(len(wanted) - len(jobs))
        for digest, feature in features(ctx, entry, jobs) if jobs else ():
            finite = bool(np.isfinite(feature).all())
            rows.append(digest, pack_row(feature) if finite else b"", {"state": "ok" if finite else "non_finite", "by": by})
            bar.step()


def features(ctx: Context, entry: Backbone, jobs: list[tuple[str, str]]) -> Iterator[tuple[str, FloatArray]]:
    """Yield (digest of the frames, features (C, F, V) or (C, V)) for every (media, digest) of ``jobs``, in their order."""
    params, size = ctx.params, ctx.params.image_size or entry.image_size
    kind, source = params.form, ctx.input_items["sample"]
    places: dict[str, npt.NDArray[np.int64]] = {}
    plan = Plan.of(
        ctx.device,
        min(ctx.workers * ctx.threads, os.cpu_count() or 1),
        clips=kind.clips,
        runtime=params.runtime,
        precision=params.precision,
        ranges=read_ranges(ctx.inputs["calibration"]) if "calibration" in ctx.inputs else None,
    )
    net = network_of(ctx, params, clip_shape(source, *jobs[0])[1])

    def load(job: tuple[str, str]) -> Work:
        clips = load_clips(source, *job, size, params.resize, kind.channels)
        places[clips.digest] = clips.places
        return clips.work(kind)

    for digest, rows in infer(net, jobs, load, plan, input_on(ctx.device, params.pixels, kind.channels), params.kind):
        shown = places.pop(digest)
        yield digest, rows if kind.clips else rows[shown]


def assemble(ctx: Context, entry: Backbone, sampled: list[dict[str, Any]]) -> None:
    """Write the feature file and ``features.json``; the ledger tells how every video of the index ended."""
    assert ctx.items is not None
    frames_of = {row["id"]: row["frames"] for row in sampled}
    ids = [row["id"] for row in _rows(ctx.inputs["index"] / "media.jsonl")]
    good = [id for id in ids if id in frames_of and _finite(ctx, frames_of[id])]
    for id in sorted(set(ids) - set(good)):
        if id in frames_of:
            ctx.ledger.add(id, "non_finite", f"{entry.name} makes NaN or infinity of its frames")
    if not good:
        raise DataError(f"no video has finite {ctx.params.kind} features", hint="check the weights: kdpipe show " + "extract")
    zeros = ctx.params.lost_videos == "zeros"
    _note_lost(ctx, [id for id in ids if id not in frames_of], zeros)
    shape = unpack_row(_item(ctx, frames_of[good[0]]).payload).shape
    dataset = json.loads((ctx.inputs["index"] / "dataset.json").read_text(encoding="utf-8"))["name"]
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', dataset)}_{ctx.params.kind}_feat.h5"
    usable, written = set(good), ids if zeros else good
    made_by: Counter[str] = Counter()
    with FeatureWriter(ctx.out / name, ctx.params.form.array, written, shape) as file:
        rows = ctx.items.read(frames_of[id] for id in good)
        for id in written:
            if id not in usable:
                file.append(np.zeros(shape, np.float32))
                continue
            item = next(rows)
            file.append_chunk(chunk_of(item.payload, shape))
            ctx.ledger.add(id, "ok")
            made_by[item.meta.get("by", "an older kdpipe")] += 1
            ctx.members.add(id, item.key, item.digest)
    told = ", ".join(f"{count} rows by {by}" for by, count in sorted(made_by.items()))
    ctx.notes["arithmetic"] = next(iter(made_by)) if len(made_by) == 1 else f"of several machines, which differ in last bits: {told}"
    about = {
        "kind": ctx.params.kind,
        "file": name,
        "array": ctx.params.form.array,
        "dataset": dataset,
        "backbone": entry.name,
        "weights": ctx.params.weights,
        "random": ctx.params.weights == "random",
        "width": shape[-1],
        "clips": shape[0],
        "frames": shape[1] if len(shape) == 3 else None,
        "image_size": ctx.params.image_size or entry.image_size,
        "resize": ctx.params.resize,
        "runtime": ctx.params.runtime,
        "precision": ctx.params.precision,
        "input": ctx.params.pixels,
        "videos": len(written),
        "zero_rows": [id for id in written if id not in usable],
    }
    (ctx.out / "features.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _note_lost(ctx: Context, ids: list[str], zeros: bool) -> None:
    """Say what became of the videos that the sample stage lost; they count as its losses, not as ours."""
    path = ctx.inputs["sample"] / "ledger.jsonl"
    before = Ledger.load(path).entries if path.is_file() else {}
    for id in ids:
        entry = before.get(id)
        why = f"{entry.state}: {entry.reason}" if entry and entry.outcome == "lost" else "missing"
        ctx.ledger.add(id, "lost_before", f"no frames ({why}); " + ("its row is zeros" if zeros else "it has no row"))


def _item(ctx: Context, frames: str) -> Item:
    assert ctx.items is not None
    item = ctx.items.get(frames)
    assert item is not None
    return item


def _finite(ctx: Context, frames: str) -> bool:
    """Whether a row has features: that it has is checked when they are read, that it has none, here."""
    assert ctx.items is not None
    state = (ctx.items.peek(frames) or {}).get("state")
    return state == "ok" or _item(ctx, frames).meta["state"] == "ok"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
