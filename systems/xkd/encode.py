"""The ``encode`` stage: what frozen encoders make of random clips of training files and of fixed clips of test files (spec 10.3).

Writes what :mod:`systems.xkd.dumped` says. A row of the item set stands for one file in one use; the set, for the encoders and the
parameters. The random clips of a file are drawn by what it holds, so that they are the same for every network, in every dataset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cache.errors import DataError
from cache.json_files import write_json, write_lines
from cache.paced import Paced
from cache.ragged import RaggedWriter
from cache.stage import Context
from models.training.crops import At
from models.training.determinism import make_deterministic
from systems.xkd import dumped
from systems.xkd.encoder import Encoder, pooled
from systems.xkd.listed import ids_of, present
from systems.xkd.recordings import Recording, Recordings
from systems.xkd.seen import Look
from systems.xkd.trained import Trained, read

#: clips that pass an encoder together; more would fit, and a fixed number keeps the bits
LOT = 8


def run(ctx: Context) -> None:
    """Compute the rows that are missing, then write all in the order of the index."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    network = read(ctx.inputs["pretrain"], ctx.device)
    sizes = network.look.sizes
    recordings = Recordings(ctx.inputs, ctx.input_items, params.modalities, fps=sizes.fps, rate=sizes.rate)
    there = set(recordings.ids)
    splits = {use: ids_of(ctx.inputs["index"], split) for use, split in zip(dumped.USES, (params.train, params.test))}
    listed = list(dict.fromkeys(id for ids in splits.values() for id in ids))
    present(listed, there, ctx.ledger, {id: recordings.lacking(id) for id in listed})
    wanted = {(use, id): key(use, recordings.digest(id)) for use, ids in splits.items() for id in ids if id in there}
    compute(ctx, network, recordings, wanted)
    assemble(ctx, network, wanted)


def key(use: str, digest: str) -> str:
    """The key of a row: what a file is used for, and what it holds."""
    return hashlib.sha256(f"{use} {digest}".encode()).hexdigest()


def compute(ctx: Context, network: Trained, recordings: Recordings, wanted: dict[tuple[str, str], str]) -> None:
    """Append a row for every key that has none; equal files are computed once. A kill costs what is not flushed."""
    assert ctx.items is not None
    with ctx.progress("encode", total=len(wanted)) as bar, Paced(ctx.items) as rows:
        for (use, id), row in wanted.items():
            if row not in ctx.items:
                made = features(ctx, network, recordings(id), use, row)
                finite = all(bool(np.isfinite(own).all()) for own in made.values())
                rows.append(row, dumped.pack_features(made) if finite else b"", {"state": "ok" if finite else "non_finite"})
            bar.step()


def features(ctx: Context, network: Trained, recording: Recording, use: str, row: str) -> dict[str, dumped.FloatArray]:
    """(clips, D) of every modality of a file; the crops of a test clip are together."""
    params, found = ctx.params, {}
    for modality in params.modalities:
        if use == "train":
            draws = [At(params.seed, number, int(row[:15], 16)) for number in range(params.train_clips)]
            clips = [network.look.training(recording, at, modality) for at in draws]
            found[modality] = encoded(network.encoder(modality, params.role), clips, params.feature, ctx.device)
        else:
            found[modality] = tested(network, recording, params, modality, ctx.device)
    return found


def tested(network: Trained, recording: Recording, params: Any, modality: str, device: str) -> dumped.FloatArray:
    """(clips, D) of the fixed clips of a file; the crops of a clip are together. ``params``: those of the stage."""
    look = Look(network.look.sizes, {name: params.switch(name) for name in ("test_crops", "audio_dense")})
    clips = list(look.test(recording, params.test_clips, params.crops, modality))
    return encoded(network.encoder(modality, params.role), clips, params.feature, device)


@torch.inference_mode()
def encoded(encoder: Encoder, clips: Sequence[dumped.FloatArray], feature: str, device: str) -> dumped.FloatArray:
    """The features (n, D) of clips."""
    found: list[Tensor] = []
    for first in range(0, len(clips), LOT):
        tokens = encoder(torch.from_numpy(np.stack(clips[first : first + LOT])).to(device))
        found.append((pooled(tokens) if feature == "pool" else tokens[:, 0]).float().cpu())
    return np.asarray(torch.cat(found).numpy())


def assemble(ctx: Context, network: Trained, wanted: dict[tuple[str, str], str]) -> None:
    """Write the features from the rows. Raises DataError if a use has none."""
    params, items = ctx.params, ctx.items
    assert items is not None
    good = {place: row for place, row in wanted.items() if (items.peek(row) or {}).get("state") == "ok"}
    for _, id in wanted.keys() - good.keys():
        ctx.ledger.add(id, "non_finite", "the encoders make NaN or infinity of it")
    lines: list[dict[str, Any]] = []
    for use in dumped.USES:
        rows = {id: row for (own, id), row in good.items() if own == use}
        if not rows:
            raise DataError(f"no file to {use} has features that are finite", hint=f"kdpipe show {ctx.node} --ledger says why")
        clips = params.train_clips if use == "train" else 0
        for modality in params.modalities:
            first = items.get(next(iter(rows.values())))
            assert first is not None
            clips, width = dumped.unpack_features(first.payload)[modality].shape
            with RaggedWriter(ctx.out / f"{use}.{modality}.h5", width, rows=clips * len(rows), dtype="float32") as file:
                for id, item in zip(rows, items.read(rows.values()), strict=True):
                    file.append(id, [], dumped.unpack_features(item.payload)[modality])
        for id, item in zip(rows, items.read(rows.values()), strict=True):
            lines.append({"id": id, "use": use, "row": item.key, "digest": item.digest})
            ctx.members.add(f"{use} {id}", item.key, item.digest)
    write_lines(ctx.out / "rows.jsonl", lines)
    said = {name: getattr(params, name) for name in ("train", "test", "role", "feature", "train_clips", "test_clips", "crops")}
    write_json(ctx.out / "features.json", {**said, "modalities": list(params.modalities), "learns": network.about["learns"]})
