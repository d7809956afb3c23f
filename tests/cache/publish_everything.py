"""One pass over everything that a run writes, for tests that break it: ``python -m tests.cache.publish_everything STORE``.

Run a second time on the same store it completes what a first one left undone.
"""

import sys
from pathlib import Path

from cache import pins
from cache.members import Members
from cache.publication import publish
from cache.record import Key, Record
from cache.store import Store


def publish_everything(root: Path) -> None:
    store = Store(root)
    key = Key("demo", 1, "e:f", {"a": 1}, {"m": "x"}, {})
    with store.running(key.digest, what="demo") as scratch:
        assert scratch is not None
        if store.record(key.digest) is None:
            _compute(store, key)
        store.clean_scratch(key.digest)
    store.clear_failure("d", "s", "demo")
    record = store.record(key.digest)
    assert record is not None
    with store.publishing():
        store.set_ref("d", "s", "demo", key.digest)
    pins.pin(store, "best", record)


def _compute(store: Store, key: Key) -> None:
    items = store.item_set("demo", key.item_key(()), writable=True)
    members = Members()
    for n in range(4):
        row = f"{n:064x}"
        if row not in items:
            items.append(row, bytes([n]) * 1000, {"state": "ok"})
            if n % 2:
                items.flush()
        item = items.get(row)
        assert item is not None and item.payload == bytes([n]) * 1000
        members.add(f"v{n}", row, item.digest)
    items.flush()
    temporary = store.new_directory()
    (temporary / "files" / "deep").mkdir(exist_ok=True)
    (temporary / "files" / "a.txt").write_text("hello")
    (temporary / "files" / "deep" / "b.bin").write_bytes(bytes(5000))
    with store.publishing():
        about = {"items": key.item_key(()), "node": "demo", "dataset": "d", "system": "s"}
        publish(store, temporary, lambda made: Record(key=key, object=made.digest, size=made.size, **about), members)
        store.set_ref("d", "s", "demo", key.digest)


if __name__ == "__main__":
    publish_everything(Path(sys.argv[1]))
