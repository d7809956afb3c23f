"""A made-up sample artifact with its items, as the sample stage writes it, and a context over it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.pack import pack
from cache.stage import Context, Quiet
from stages.extract import ExtractParams


def payload(seed: int, clips: int = 3, frames: int = 4, count: int = 9, size: tuple[int, int] = (24, 32), *, flow: bool = False) -> bytes:
    """An item of the sample stage: ``count`` noisy frames as PNG, or of flow as they are, clips that share some of them."""
    rng = np.random.default_rng(seed)
    encoded = []
    numbers = np.sort(rng.choice(100, count, replace=False)).astype(np.int32)
    if flow:
        pictures = rng.integers(0, 256, (count, *size, 2), dtype=np.uint8)
        index = numbers[np.sort(rng.integers(0, count, (clips, frames)), axis=1)]
        return pack({"index": index, "numbers": numbers, "times": numbers / 12.0, "pictures": pictures})
    for _ in range(count):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(file, "PNG")
        encoded.append(file.getvalue())
    return pack(
        {
            "index": numbers[np.sort(rng.integers(0, count, (clips, frames)), axis=1)],
            "numbers": numbers,
            "times": numbers / 12.0,
            "offsets": np.cumsum([0, *map(len, encoded)]).astype(np.int64),
            "data": b"".join(encoded),
        }
    )


@pytest.fixture
def sampled(tmp_path: Path) -> Callable[..., None]:
    """Write index and sample artifacts for ``ids`` (in the index's order); ``lost`` ids have no frames."""

    def make(ids: Sequence[str] = ("1", "2", "10"), lost: Sequence[str] = (), seeds: dict[str, int] | None = None, **shape: Any) -> None:
        for name in ("index", "sample"):
            (tmp_path / name).mkdir(exist_ok=True)
        items = ItemSet(tmp_path / "frames.items")
        media, frames, ledger = [], [], Ledger()
        for id in ids:
            seed = (seeds or {}).get(id, int.from_bytes(id.encode()) % 1000)
            digest = hashlib.sha256(f"media {seed}".encode()).hexdigest()
            media.append({"id": id, "path": f"{id}.avi", "digest": digest, "splits": ["train"]})
            if id in lost:
                ledger.add(id, "undecodable", "not one frame decodes")
                continue
            body = payload(seed, **shape)
            items.append(digest, body, {"state": "ok"})
            frames.append({"id": id, "media": digest, "frames": hashlib.sha256(body).hexdigest(), "count": 50, "width": 32, "height": 24})
        items.flush()
        (tmp_path / "index" / "dataset.json").write_text(json.dumps({"name": "msvd-qa"}))
        (tmp_path / "index" / "media.jsonl").write_text("".join(json.dumps(row) + "\n" for row in media))
        (tmp_path / "sample" / "frames.jsonl").write_text("".join(json.dumps(row) + "\n" for row in frames))
        (tmp_path / "sample" / "ledger.jsonl").write_text(ledger.dump())

    return make


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    """Return a function that makes a context over the artifacts of ``sampled``; ``name`` tells runs apart."""

    def make(name: str = "out", items: str = "", files: dict[str, Path] | None = None, **options: Any) -> Context:
        run = {key: options.pop(key) for key in ("workers", "threads", "device") if key in options}
        out = tmp_path / name
        out.mkdir()
        return Context(
            params=ExtractParams(**{"weights": "random", **options}),
            out=out,
            scratch=tmp_path,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"index": tmp_path / "index", "sample": tmp_path / "sample"},
            input_items={"sample": ItemSet(tmp_path / "frames.items", writable=False)},
            items=ItemSet(tmp_path / (items or f"{name}.items")),
            files=files or {},
            **run,
        )

    return make
