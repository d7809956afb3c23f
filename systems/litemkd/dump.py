"""The ``dump`` stage of one modality: what its expert makes of every few-shot video, once (spec A, stage 4).

Writes what :mod:`systems.litemkd.dumped` says. A row of the item set stands for the frames of a video; the set, for the expert's weights
and the switches: rows of another expert are never mixed in, and ten more videos compute ten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from cache.errors import DataError
from cache.paced import Paced
from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.litemkd import dumped
from systems.litemkd.clips import Clips
from systems.litemkd.draws import DUMP_VIEW, Draws
from systems.litemkd.seen import Look, number_of
from systems.litemkd.trained import read
from systems.litemkd.videos import PARTS, listed, note


def run(ctx: Context) -> None:
    """Compute the rows that are missing, then write all in the order of the index."""
    params = ctx.params
    network, about = read(ctx.inputs["expert"], ctx.device)
    make_deterministic(0, threads=params.threads)
    look = Look.of_trained(about)
    clips = Clips(ctx.inputs["frames"], ctx.input_items["frames"], frames=look.frames, side=look.side)
    videos = listed(ctx.inputs["index"], *PARTS)
    there = set(clips.ids)
    wanted = {video.name: clips.digest(video.name) for video in videos if video.name in there}

    def features(id: str) -> dumped.FloatArray:
        chance = Draws(0, number_of(clips.digest(id)), DUMP_VIEW) if params.switch("dump_view") == "random" else None
        seen = torch.from_numpy(look.of(clips, id, chance)[None])
        with torch.inference_mode():
            return np.asarray(network.features(look.input(seen, ctx.device))[0].cpu().numpy())

    compute(ctx, ((key, lambda id=id: features(id)) for id, key in wanted.items()), len(wanted))
    note(ctx.ledger, videos, there, clips.short)
    said = {"modality": about["modality"], "network": about["arguments"]["network"], "kind": about["arguments"]["kind"]}
    said |= {"weights": about.get("checkpoint") or about["weights"], "view": params.switch("dump_view"), "look": look._asdict()}
    assemble(ctx, wanted, said)


def compute(ctx: Context, jobs: Iterator[tuple[str, Any]], total: int) -> None:
    """Append a row to the item set for every key that has none; equal frames are computed once. A kill costs what is not flushed."""
    assert ctx.items is not None
    with ctx.progress("dump", total=total) as bar, Paced(ctx.items) as rows:
        for key, features in jobs:
            if key not in ctx.items:
                made = features()
                finite = bool(np.isfinite(made).all())
                rows.append(key, dumped.pack_features(made) if finite else b"", {"state": "ok" if finite else "non_finite"})
            bar.step()


def assemble(ctx: Context, keys: dict[str, str], about: dict[str, Any]) -> None:
    """Write the dump from the rows; ``keys``: id -> row key, in the order of the index. Raises DataError if there is none."""
    assert ctx.items is not None
    good = []
    for id, key in keys.items():
        if (ctx.items.peek(key) or {}).get("state") == "ok":
            good.append(id)
        else:
            ctx.ledger.add(id, "non_finite", "the network makes NaN or infinity of it")
    if not good:
        raise DataError("no video has features that are finite", hint=f"kdpipe show {ctx.node} --ledger says why")
    rows = [(id, keys[id], item.digest) for id, item in zip(good, ctx.items.read(keys[id] for id in good), strict=True)]
    for row in rows:
        ctx.members.add(*row)
    first = ctx.items.get(keys[good[0]])
    assert first is not None
    frames, width = dumped.unpack_features(first.payload).shape
    features = (dumped.unpack_features(item.payload) for item in ctx.items.read(keys[id] for id in good))
    dumped.write(ctx.out, rows, features, frames, width, about)
