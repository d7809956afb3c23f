"""A store with sampled frames of three videos and what was derived of them, made by hand: no expert computes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.digest import digest_value
from cache.publication import publish
from cache.record import Key, Record
from cache.store import Store
from media.codings.derived import People
from media.codings.table import coder, options_of
from media.frames import encode_image, encode_payload
from pipeline.derived import Derivation, derivation

SIZE = (24, 32)
#: id -> (class, splits, frame numbers of its one clip)
VIDEOS = {
    "v_Surfing_g01_c01": ("Surfing", ["1/train"], [0, 1, 2, 3, 4]),
    "v_Rock Climbing_g02_c01": ("Rock Climbing", ["1/test"], [0, 1, 2, 3]),
    "../v_Surfing_g03_c01": ("Surfing", ["1/test"], [0, 2, 5]),
}


def frame(id: str, number: int) -> np.ndarray:
    """A smooth picture, so that JPEG changes little of it."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([x * 4 + number * 8, y * 5, np.full(SIZE, 40 + 7 * number + len(id))], axis=2).astype(np.uint8)


def flow(id: str, number: int) -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([(x - 16) / 4 + number, (y - 12) / 4 - number], axis=2).astype(np.float32)


def depth(id: str, number: int) -> np.ndarray:
    return np.tile(np.linspace(1 + number, 9, SIZE[1], dtype=np.float32), (SIZE[0], 1))


def people(id: str, number: int) -> People:
    count, rng = number % 3, np.random.default_rng(number)
    shapes = ((count, 17, 3), (count, 4), (count,), (count,))
    made = People(*(rng.uniform(0.5, 20, shape).astype(np.float32) for shape in shapes))
    made.keypoints[..., 2] /= 20
    return made


PRODUCTS: dict[str, Callable[[str, int], Any]] = {"flow": flow, "depth": depth, "skeleton": people}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def derived(store: Store) -> Callable[..., Derivation]:
    """Return a function (kind, coding, **options) that puts such a result into the store and opens it.

    ``by_id``: its rows are keyed by the ids as well, as those of poses from elsewhere. ``still``: nothing moves, and every frame is
    shown twice.
    """

    def make(kind: str, coding: str, by_id: bool = False, still: bool = False, **options: Any) -> Derivation:
        payloads = {id: _sampled(id, numbers, 1 + still) for id, (_, _, numbers) in VIDEOS.items()}
        index = _publish(store, "index", _index())
        rows = {id: store_row("sample", id, payload) for id, payload in payloads.items()}
        listed = "".join(json.dumps({"id": id, "media": media, "frames": source}) + "\n" for id, (media, _, source) in rows.items())
        pairs = [(media, payload) for media, payload, _ in rows.values()]
        sample = _publish(store, "sample", {"frames.jsonl": listed}, {"index": index}, pairs)
        chosen = options_of(kind, coding, options)
        items, lines = [], []
        for id, (_, _, numbers) in VIDEOS.items():
            media, _, source = rows[id]
            source = digest(f"{source} {id}".encode()) if by_id else source
            payload = _coded(id, kind, coding, chosen, numbers, still)
            items.append((source, payload))
            facts = {"id": id, "media": media, "source": source, "frames": digest(payload), "count": numbers[-1] + 1}
            lines.append({**facts, "height": SIZE[0], "width": SIZE[1], "rate": 25.0})
        about = {"kind": kind, "expert": "by-hand", "coding": coding, "options": chosen, "pairs": "next-frame"}
        files = {"derived.json": json.dumps(about), "frames.jsonl": "".join(json.dumps(line) + "\n" for line in lines)}
        return derivation(store, _publish(store, f"derive.{kind}", files, {"index": index, "sample": sample}, items))

    return make


def digest(payload: bytes) -> str:
    import hashlib

    return hashlib.sha256(payload).hexdigest()


def store_row(stage: str, id: str, payload: bytes) -> tuple[str, bytes, str]:
    """The media's digest, its payload, and the digest of that."""
    return digest(f"{stage} {id}".encode()), payload, digest(payload)


def _sampled(id: str, numbers: list[int], times: int) -> bytes:
    images = {number: encode_image(frame(id, number)) for number in numbers}
    return encode_payload(np.repeat([numbers], times, 1).astype(np.int32), {number: number / 25 for number in numbers}, images)


def _coded(id: str, kind: str, coding: str, options: dict[str, Any], numbers: list[int], still: bool) -> bytes:
    made = coder(kind, coding, options)
    for number in numbers:
        product = PRODUCTS[kind](id, number)
        made.add(number, product * 0 if still else product, frame(id, number))
    return made.payload(np.repeat([numbers], 1 + still, 1).astype(np.int32), np.array(numbers, np.int32), np.array(numbers) / 25)


def _index() -> dict[str, str]:
    rows: dict[str, Iterable[dict[str, Any]]] = {
        "media.jsonl": [{"id": id, "splits": splits, "digest": "0", "path": f"{id}.avi"} for id, (_, splits, _) in VIDEOS.items()],
        "annotations.jsonl": [{"video_id": id, "classes": [name], "segment": None} for id, (name, _, _) in VIDEOS.items()],
    }
    about = {"name": "ucf101", "layout": "ucf101", "classes": ["Rock Climbing", "Surfing"], "num_classes": 2}
    return {"dataset.json": json.dumps(about), **{name: "".join(json.dumps(row) + "\n" for row in some) for name, some in rows.items()}}


def _publish(
    store: Store,
    node: str,
    files: dict[str, str],
    parents: dict[str, Record] | None = None,
    items: Iterable[tuple[str, bytes]] = (),
) -> Record:
    stage = node.partition(".")[0]
    key = Key(stage, 1, f"stages.{stage}.run:run", {"files": digest_value(files)}, {}, {})
    if items:
        rows = store.item_set(stage, key.digest, writable=True)
        for name, payload in items:
            rows.append(name, payload, {"state": "ok"})
        rows.flush()
    temporary = store.new_directory()
    for name, text in files.items():
        (temporary / "files" / name).write_text(text, encoding="utf-8")

    def record(manifest: Any) -> Record:
        above = {alias: parent.digest for alias, parent in (parents or {}).items()}
        return Record(key, manifest.digest, key.digest if items else "", node, "ucf101", "litemkd", above)

    return publish(store, temporary, record)
