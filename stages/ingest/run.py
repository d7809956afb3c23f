"""The work of ``ingest``: read each shard once, keep it as items, write one frame store a partition.

Writes ``<partition>.h5`` (:mod:`cache.ragged`: rgb and audio side by side, uint8; means of video-level shards as float32), ``frames.json``,
which says what they hold, and ``eigenvals.npy`` (F, 1) if the dataset has them. Memory holds a few pieces of a shard, and ids and labels of
one partition. Shards that were read before are not opened again: ten new ones cost reading ten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import DataError
from cache.items import Item, ItemSet
from cache.json_files import read_json, read_lines, write_json
from cache.ragged import RaggedWriter
from cache.stage import Context
from stages.ingest.ahead import ahead
from stages.ingest.shard import Tally, read_shard, unpacked

#: of the release of 2018, for shards without a vocabulary
CLASSES = 3862
#: pieces that wait while others are written
AHEAD = 2
COUNTS = ("videos", "rows", "truncated", "unlabelled", "uneven", "empty", "damages")


def run(ctx: Context) -> None:
    """Read the shards that are not yet among the items, then write the stores in the index's order."""
    assert ctx.items is not None
    about = read_json(ctx.inputs["index"] / "dataset.json")
    if "level" not in about:
        raise DataError(f"layout {about['layout']} is no layout of records", hint="layouts of records: yt8m, yt8m-video")
    media = read_lines(ctx.inputs["index"] / "media.jsonl")
    shards = [{**shard, "row": _row_key(shard["digest"], about["level"])} for shard in media if shard["digest"]]
    try:
        _read(ctx, ctx.items, shards, about["level"])
    finally:
        ctx.items.flush()
    classes = ctx.params.num_classes or about.get("num_classes") or CLASSES
    tallies = {shard["id"]: _summary(ctx.items, shard["row"]) for shard in shards}
    _check(ctx, shards, tallies, classes)
    partitions = {split: [shard for shard in shards if split in shard["splits"]] for split in ("train", "validate", "test")}
    written = {
        split: _write(ctx, ctx.items, split, chosen, tallies, {"level": about["level"], "num_classes": classes})
        for split, chosen in partitions.items()
        if chosen
    }
    facts = {
        "partitions": written,
        "level": about["level"],
        "num_classes": classes,
        "classes": about.get("classes", []),
        "rgb": ctx.params.rgb,
        "audio": ctx.params.audio,
        "max_frames": ctx.params.max_frames,
    }
    if "eigenvalues" in about:
        np.save(ctx.out / "eigenvals.npy", np.array(about["eigenvalues"], np.float32)[:, None], allow_pickle=False)
    write_json(ctx.out / "frames.json", facts)


def _read(ctx: Context, items: ItemSet, shards: list[dict[str, Any]], level: str) -> None:
    """Append the rows of every shard that lacks one: its pieces, then a summary under the shard's row key."""
    todo = {shard["row"]: shard for shard in shards if not items.whole(shard["row"], _pieces)}  # a repair may have put some aside
    with ctx.progress("read shards", total=len(shards)) as bar:
        bar.step(len(shards) - len(todo))
        if todo and ctx.root is None:
            raise DataError("there is no data root to read the shards from", hint="kdpipe ingest --data-root DIR")
        for row, shard in todo.items():
            assert ctx.root is not None
            tally, digests = Tally(), []
            for payload in ahead(_payloads(ctx, ctx.root / shard["path"], shard["digest"], level, tally), AHEAD):
                digests.append(hashlib.sha256(payload).hexdigest())
                items.append(_piece_key(row, digests[-1]), payload)
            items.append(row, "\n".join(digests).encode(), asdict(tally))
            bar.step()


def _payloads(ctx: Context, path: Path, digest: str, level: str, tally: Tally) -> Iterator[bytes]:
    return (piece.pack() for piece in read_shard(path, digest, level, ctx.params, tally))


def _row_key(digest: str, level: str) -> str:
    """Row key of what a shard with this digest holds, read as records of one level: read as the other, it is something else."""
    return digest if level == "frame" else hashlib.sha256(f"{digest} {level}".encode()).hexdigest()


def _piece_key(row: str, piece: str) -> str:
    """Key of a piece of a shard, from both digests: a shard that changed while it was read leaves no piece that is taken for another."""
    return hashlib.sha256(f"{row} piece {piece}".encode()).hexdigest()


def _pieces(item: Item) -> list[str]:
    """The row keys of the pieces of a shard, from its summary."""
    return [_piece_key(item.key, piece) for piece in bytes(item.payload).decode().split()]


def _summary(items: ItemSet, row: str) -> dict[str, Any]:
    item = items.get(row)
    assert item is not None
    return {**item.meta, "keys": _pieces(item), "digest": item.digest}


def _check(ctx: Context, shards: list[dict[str, Any]], tallies: dict[str, dict[str, Any]], classes: int) -> None:
    """Write the ledger, and refuse labels that are none."""
    for shard in shards:
        tally = tallies[shard["id"]]
        if tally["top"] >= classes:
            hint = "the vocabulary (or ingest.num_classes) is of another release than the shards"
            raise DataError(f"{shard['path']}, {tally['where']}: label {tally['top']}, but there are {classes} classes", hint=hint)
        state, reason = _outcome(tally)
        ctx.ledger.add(shard["id"], state, reason, **{name: tally[name] for name in COUNTS if tally[name]})
        ctx.members.add(shard["id"], shard["row"], tally["digest"])
    if not any(tally["videos"] for tally in tallies.values()):
        raise DataError("no shard holds a video", hint=f"the first: {next(iter(tallies.values()), {}).get('shown')}")


def _outcome(tally: dict[str, Any]) -> tuple[str, str]:
    """State and reason of a shard. Truncated and unlabelled videos are in order: they are counted, and are no reason."""
    damages = f"{tally['damages']} damage(s), the first at {tally['shown'][0]}" if tally["damages"] else ""
    if not tally["videos"]:
        return "undecodable", damages or "it holds no video"
    reasons = [damages] if damages else []
    if tally["empty"]:
        reasons.append(f"{tally['empty']} videos without a frame left out")
    if tally["uneven"]:
        reasons.append(f"the audio of {tally['uneven']} videos was cut or filled up")
    state = "damaged" if damages or tally["empty"] else "padded" if tally["uneven"] else "ok"
    return state, "; ".join(reasons)


def _write(
    ctx: Context, items: ItemSet, split: str, shards: list[dict[str, Any]], tallies: dict[str, dict[str, Any]], facts: dict[str, Any]
) -> dict[str, Any]:
    """Write the store of one partition. Raises DataError if an id occurs twice."""
    params = ctx.params
    rows = sum(tallies[shard["id"]]["rows"] for shard in shards)
    about = {
        **facts,
        "partition": split,
        "rgb": params.rgb,
        "audio": params.audio,
        "max_frames": params.max_frames,
        "sources": [{"path": shard["path"], "sha256": shard["digest"], "damages": tallies[shard["id"]]["damages"]} for shard in shards],
    }
    dtype = "uint8" if facts["level"] == "frame" else "float32"
    seen: dict[str, str] = {}
    with (
        RaggedWriter(ctx.out / f"{split}.h5", params.rgb + params.audio, rows=rows, dtype=dtype, about=about) as store,
        ctx.progress(f"write {split}", total=len(shards)) as bar,
    ):
        for shard in shards:
            for item in items.read(tallies[shard["id"]]["keys"]):
                for name, labels, frames in unpacked(item.payload):
                    id = name if isinstance(name, str) else f"{Path(shard['path']).stem}#{name}"
                    if id in seen:
                        raise DataError(f"video {id!r} is in {seen[id]} and in {shard['path']}", hint="remove one of the two shards")
                    seen[id] = shard["path"]
                    store.append(id, labels, frames)
            bar.step()
    return {"file": f"{split}.h5", "videos": len(seen), "rows": rows}
