"""An index of shards in a temporary directory, and what ``ingest`` makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.digest import digest_file
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from formats.tfrecord import RecordWriter
from formats.youtube8m import Video, encode_frames
from stages.ingest import IngestParams
from stages.ingest.run import run

RGB, AUDIO = 8, 4


def video(id: str, frames: int = 3, labels: tuple[int, ...] = (0,), audio: int | None = None) -> Video:
    """A video with small random features, a function of its id."""
    rng = np.random.default_rng(list(id.encode()))
    rgb = rng.integers(0, 256, (frames, RGB), np.uint8)
    return Video(id, np.array(labels, np.int64), rgb, rng.integers(0, 256, (frames if audio is None else audio, AUDIO), np.uint8))


def shard(path: Path, *videos: Video | bytes) -> Path:
    """Write a shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with RecordWriter(path) as writer:
        for one in videos:
            writer.write(one if isinstance(one, bytes) else encode_frames(one))
    return path


@pytest.fixture
def ingest(tmp_path: Path) -> Callable[..., Context]:
    """``ingest(root, **params)``: index the shards under ``root`` by name, run the stage; rows are kept from call to call."""

    def call(root: Path, level: str = "frame", about: dict[str, Any] | None = None, **params: Any) -> Context:
        number = len(list(tmp_path.glob("index*")))
        index, out = tmp_path / f"index{number}", tmp_path / f"out{number}"
        index.mkdir()
        out.mkdir()
        (index / "dataset.json").write_text(json.dumps({"layout": "yt8m", "level": level, **(about or {})}))
        rows = [
            {"id": path.stem, "path": str(path.relative_to(root)), "digest": digest_file(path), "splits": [path.stem.rstrip("0123456789")]}
            for path in sorted(root.rglob("*.tfrecord"))
        ]
        (index / "media.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        record = IngestParams(**{"rgb": RGB, "audio": AUDIO, **params})
        key = json.dumps(params, sort_keys=True)
        items = ItemSet(tmp_path / "items" / key)
        ctx = Context(record, out, out, Ledger(), Quiet, inputs={"index": index}, root=root, items=items)
        run(ctx)
        return ctx

    return call
