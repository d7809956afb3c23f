"""Sampled frames with the ones beside them, an expert that says what it saw, and a context over both."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from media.frames import encode_payload
from models.experts.registry import EXPERTS, Entry
from models.experts.running import People, Setup
from models.inference.batches import Item
from stages.derive import DeriveParams
from stages.derive import run as work


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """A frame that says its number: the level of all its pixels."""
    return np.full((*size, 3), number, np.uint8)


def payload(shown: Sequence[int], beside: Sequence[int] = (), size: tuple[int, int] = (24, 32)) -> bytes:
    """An item of the sample stage: one clip of the frames ``shown``, and frames beside them."""
    numbers = sorted({*shown, *beside})
    images = {}
    for number in numbers:
        file = io.BytesIO()
        Image.fromarray(picture(number, size)).save(file, "PNG")
        images[number] = file.getvalue()
    return encode_payload(np.array([shown], np.int32), {n: n / 10 for n in numbers}, images)


class Toy:
    """An expert that puts the levels that it sees into its products; ``broken`` levels become NaN, ``empty`` ones show nobody."""

    def __init__(self, kind: str, setup: Setup, broken: Sequence[int] = (), empty: Sequence[int] = ()) -> None:
        self.kind, self.setup, self.broken, self.empty = kind, setup, broken, empty

    def __call__(self, jobs: Sequence[Any], load: Callable[[Any], Item]) -> Iterator[tuple[str, list[Any]]]:
        for job in jobs:
            item = load(job)
            products = [self.product(row) for row in item.rows]
            assert len(products) == item.count
            yield item.id, products

    def product(self, row: np.ndarray) -> Any:
        height, width = row.shape[-3:-1]
        assert (height, width) == (self.setup.height, self.setup.width)
        if self.kind == "flow":
            a, b = (float(frame[0, 0, 0]) for frame in row)
            found = np.stack([np.full((height, width), a), np.full((height, width), b)], -1).astype(np.float32)
            return found * (np.nan if a in self.broken else 1)
        level = float(row[0, 0, 0])
        if self.kind == "depth":
            return np.full((height, width), np.nan if level in self.broken else level, np.float32)
        people = 0 if level in self.empty else 1
        keypoints = np.full((people, 17, 3), level, np.float32)
        return People(keypoints, np.zeros((people, 4), np.float32), np.ones(people, np.float32), np.ones(people, np.float32))


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> list[Setup]:
    """Experts toy-flow, toy-depth and toy-skeleton; the list holds what was asked for when they were built. ``Toy.faults`` are theirs."""
    built: list[Setup] = []
    monkeypatch.setattr(Toy, "faults", {}, raising=False)

    def build(name: str, setup: Setup) -> Toy:
        built.append(setup)
        return Toy(EXPERTS[name].kind, setup, **Toy.faults)

    for kind in ("flow", "depth", "skeleton"):
        monkeypatch.setitem(EXPERTS, f"toy-{kind}", Entry(f"toy-{kind}", kind, "toy:make", network=False))
    monkeypatch.setattr(work, "build", build)
    return built


@pytest.fixture
def sampled(tmp_path: Path) -> Callable[..., None]:
    """Write index and sample artifacts of videos: id -> payload, None for one that the sample stage lost."""

    def make(videos: dict[str, bytes | None], count: int = 100) -> None:
        for name in ("index", "sample"):
            (tmp_path / name).mkdir(exist_ok=True)
        items = ItemSet(tmp_path / "frames.items")
        media, frames, ledger = [], [], Ledger()
        for id, body in videos.items():
            digest = hashlib.sha256(f"media {id}".encode() + (body or b"")).hexdigest()
            media.append({"id": id, "path": f"{id}.avi", "digest": digest, "splits": ["train"]})
            if body is None:
                ledger.add(id, "undecodable", "not one frame decodes")
                continue
            items.append(digest, body, {"state": "ok"})
            about = {"id": id, "media": digest, "frames": hashlib.sha256(body).hexdigest()}
            frames.append({**about, "count": count, "width": 32, "height": 24, "rate": 10.0})
        items.flush()
        (tmp_path / "index" / "dataset.json").write_text(json.dumps({"name": "toys"}))
        (tmp_path / "index" / "media.jsonl").write_text("".join(json.dumps(row) + "\n" for row in media))
        (tmp_path / "sample" / "frames.jsonl").write_text("".join(json.dumps(row) + "\n" for row in frames))
        (tmp_path / "sample" / "ledger.jsonl").write_text(ledger.dump())

    return make


@pytest.fixture
def context(tmp_path: Path, toys: list[Setup]) -> Callable[..., Context]:
    """Return a function that makes a context over the artifacts of ``sampled``; ``name`` tells runs apart."""

    def make(kind: str = "flow", name: str = "out", items: str = "", **options: Any) -> Context:
        out = tmp_path / name
        out.mkdir()
        default = {"flow": "float", "depth": "float", "skeleton": "keypoints"}[kind]
        return Context(
            params=DeriveParams(**{"kind": kind, "expert": f"toy-{kind}", "coding": default, **options}),
            out=out,
            scratch=tmp_path,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"index": tmp_path / "index", "sample": tmp_path / "sample"},
            input_items={"sample": ItemSet(tmp_path / "frames.items", writable=False)},
            items=ItemSet(tmp_path / (items or f"{name}.items")),
            node=f"derive.{kind}",
        )

    return make
