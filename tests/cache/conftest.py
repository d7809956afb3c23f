"""Small stores of every kind of file that a store can hold."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from cache import memo, pins, publication
from cache.fingerprint import Fingerprint
from cache.hdf5 import FeatureWriter
from cache.members import Members
from cache.record import Key, Record
from cache.store import Store, seal
from cache.timings import Timing


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_key(**changes: object) -> Key:
    fields = {"stage": "demo", "version": 1, "entry": "stages.demo.run:run", "params": {"a": 1}, "code": {"m": "x"}, "inputs": {}}
    return Key(**{**fields, **changes})


def publish(store: Store, key: Key, files: dict[str, str | bytes], *, members: Members | None = None, **fields: object) -> Record:
    """Publish a result and point the ref of its node at it, as the runner does."""
    temporary = store.new_directory()
    for name, content in files.items():
        path = temporary / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return publish_directory(store, key, temporary, members=members, **fields)


def publish_directory(store: Store, key: Key, temporary: Path, *, members: Members | None = None, **fields: object) -> Record:
    about = {"node": key.stage, "dataset": "d", "system": "s", "created": 1.0, **fields}
    with store.publishing():
        made = publication.publish(store, temporary, lambda m: Record(key=key, object=m.digest, **{"size": m.size, **about}), members)
        store.set_ref(made.dataset, made.system, made.node, made.digest)
    return made


@dataclass
class Small:
    """A store with two results, one of them features behind which there are items, a pin, an accepted set and a failure."""

    store: Store
    plain: Record
    features: Record
    rows: list[str]

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.store.root.rglob("*") if path.is_file() and path.parent.name not in ("locks", "tmp"))


def build_small(root: Path, videos: int = 4) -> Small:
    store = Store(root)
    plain = publish(store, make_key(stage="index"), {"index.json": '{"a": 1}', "deep/b.txt": "there"})
    key = make_key(stage="extract", inputs={"index": plain.object})
    rows_of = key.item_key(["index"])
    items = store.item_set("extract", rows_of, writable=True)
    members, rows = Members(), []
    temporary = store.new_directory()
    with FeatureWriter(temporary / "files" / "feat.h5", "features", [f"video{n}" for n in range(videos)], (3, 8)) as file:
        for n in range(videos):
            row = np.random.default_rng(n).normal(size=(3, 8)).astype(np.float32)
            file.append(row)
            rows.append(digest(f"media {n}"))
            items.append(rows[-1], row.tobytes(), {"state": "ok"})
            members.add(f"video{n}", rows[-1], hashlib.sha256(row.tobytes()).hexdigest())
    items.flush()
    features = publish_directory(store, key, temporary, members=members, items=rows_of, parents={"index": plain.digest})
    pins.pin(store, "../Best\0 of all", features, because="the paper")
    later = make_key(stage="extract", code={"m": "y"})
    store.write(store.items_path("extract", later.item_key(["index"])) / "accepted.json", seal({"items": rows_of, "because": "renamed"}))
    store.write_failure("d", "s", "teacher", {"error": "diverged", "key": "0" * 64}, '{"id": "v", "state": "failed", "reason": ""}\n')
    store.write(root / "imports" / "d.json", seal({"current": {}, "past": []}))
    store.timings.add(Timing("extract", "d", "s", 1.5, videos, videos))
    (root.parent / "media").write_text("raw")
    os.utime(root.parent / "media", (1.0, 1.0))
    with mock.patch.object(memo, "RACY_NS", -(10**15)):
        store.memo.digest(root.parent / "media")
    tree = root.parent / "tree"
    (tree / "stages").mkdir(parents=True, exist_ok=True)
    (tree / "stages" / "__init__.py").write_text("X = 1\n")
    fingerprint = Fingerprint(tree, root / "memo" / "code.json")
    fingerprint.closure("stages")
    fingerprint.save()
    return Small(store, plain, features, rows)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return build_small(tmp_path / "store")
