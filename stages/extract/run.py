"""The work of the ``extract`` stage: sampled frames through a frozen network, one row of features a video.

Writes
  <dataset>_appearance_feat.h5   resnet_features float32 (N, C, F, V), ids
  <dataset>_motion_feat.h5       resnext_features float32 (N, C, V), ids
  features.json                  what they are: network, weights, sizes, which rows are zeros

Batches are of one size, cut across videos, each computed on one thread (several run side by side), so a row depends on its frames
alone: not on the other videos, their order, the number of cores, or where an earlier run was killed. Measured: batch size and
thread count both change the last bits of most networks; the place in the batch and the neighbours do not.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cache.errors import DataError
from cache.hdf5 import FeatureWriter
from cache.items import Item
from cache.ledger import Ledger
from cache.stage import Context
from models.backbones.registry import Backbone
from stages.extract.batches import Batches
from stages.extract.heap import kept_heap
from stages.extract.in_order import in_order
from stages.extract.lanes import Lanes, at_once
from stages.extract.loader import clip_shape, load_clips
from stages.extract.network import load_network, one_thread, set_determinism
from stages.extract.row import chunk_of, pack_row, unpack_row
from stages.extract.runtimes import arithmetic

DATASETS = {"appearance": "resnet_features", "motion": "resnext_features"}
#: Finished videos are flushed at once, unless flushing would take more than this share of the time.
FLUSH_SHARE = 0.05

FloatArray = npt.NDArray[np.float32]


def run(ctx: Context) -> None:
    """Compute the rows that are missing, then assemble the feature file in the order of the index."""
    sampled = _rows(ctx.inputs["sample"] / "frames.jsonl")
    if not sampled:
        raise DataError("the sample stage has no usable video", hint="kdpipe show sample: its ledger says why")
    entry = ctx.params.network
    set_determinism()
    threads = torch.get_num_threads()
    try:
        compute(ctx, entry, sampled)
    finally:
        torch.set_num_threads(threads)
    assemble(ctx, entry, sampled)


def compute(ctx: Context, entry: Backbone, sampled: list[dict[str, Any]]) -> None:
    """Append a row to the item set for every frames payload that has none yet; equal frames are computed once."""
    assert ctx.items is not None
    wanted = {row["frames"]: row["media"] for row in sampled}
    jobs = [(media, frames) for frames, media in wanted.items() if frames not in ctx.items]
    if jobs:
        ctx.notes["arithmetic"] = arithmetic(ctx.params.runtime, ctx.device, ctx.params.precision)
    flushed, cost = time.monotonic(), 0.0
    with ctx.progress(f"extract {ctx.params.kind}", total=len(wanted)) as bar, kept_heap():
        bar.step(len(wanted) - len(jobs))
        for digest, feature in features(ctx, entry, jobs) if jobs else ():
            finite = bool(np.isfinite(feature).all())
            ctx.items.append(digest, pack_row(feature) if finite else b"", {"state": "ok" if finite else "non_finite"})
            began = time.monotonic()
            if began - flushed >= cost / FLUSH_SHARE:
                ctx.items.flush()
                flushed = time.monotonic()
                cost = flushed - began
            bar.step()
    ctx.items.flush()


def features(ctx: Context, entry: Backbone, jobs: list[tuple[str, str]]) -> Iterator[tuple[str, FloatArray]]:
    """Yield (digest of the frames, features) for every (media, digest) of ``jobs``, in their order.

    Threads decode and resize ahead of others that compute; a GPU has two of these, so that one batch is on its way to it while the
    other is computed.
    """
    params, size = ctx.params, ctx.params.image_size or entry.image_size
    source = ctx.input_items["sample"]
    cores = min(ctx.workers * ctx.threads, os.cpu_count() or 1)
    readers, lanes = (max(1, cores // 4), cores) if ctx.device == "cpu" else (cores, 2)
    net = load_network(
        entry,
        params.weights,
        ctx.files.get("weights_file"),
        image_size=size,
        frames=clip_shape(source, jobs[0][0])[1],
        seed=params.random_seed,
        device=ctx.device,
    )
    batches = Batches(params.kind, at_once(params.kind, ctx.device))
    loaded = in_order(lambda job: load_clips(source, *job, size, params.resize), jobs, readers, one_thread)
    with closing(loaded), closing(in_order(Lanes(ctx, net, lanes), batches.cut(loaded), lanes, one_thread)) as rows:
        yield from batches.join(rows)


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
    with FeatureWriter(ctx.out / name, DATASETS[ctx.params.kind], written, shape) as file:
        rows = ctx.items.read(frames_of[id] for id in good)
        for id in written:
            if id not in usable:
                file.append(np.zeros(shape, np.float32))
                continue
            item = next(rows)
            file.append_chunk(chunk_of(item.payload, shape))
            ctx.ledger.add(id, "ok")
            ctx.members.add(id, item.key, item.digest)
    about = {
        "kind": ctx.params.kind,
        "file": name,
        "array": DATASETS[ctx.params.kind],
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
        "input": ctx.params.normalise if ctx.params.kind == "appearance" else ctx.params.motion_input,
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


def _pieces(array: npt.NDArray[Any], size: int) -> list[npt.NDArray[Any]]:
    return [array[start : start + size] for start in range(0, len(array), size)]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
