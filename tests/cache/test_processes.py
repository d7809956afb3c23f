"""Many processes on one store: whoever looks sees whole results, and equal content is one object."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cache.fsck import Fsck
from cache.store import Store

PROJECT = Path(__file__).parents[2]
WRITERS, ROUNDS, KEYS = 8, 200, 10

WRITE = textwrap.dedent(
    """
    import random, sys
    from pathlib import Path
    from cache.publication import publish
    from cache.record import Key, Record
    from cache.members import Members
    from cache.store import Store
    root, me, rounds, keys = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    dice = random.Random(me)
    for n in range(rounds):
        store = Store(root)
        which = dice.randrange(keys) if n % 4 else f"{me}-{n}"  # mostly fought over, some all of one's own
        key = Key("demo", 1, "e:f", {"which": which}, {}, {})
        items = store.item_set("demo", key.item_key(()), writable=True)
        content = str(which).encode() * 500
        items.append("%064x" % (n % 7), content, {"which": which})
        items.flush()
        temporary = store.new_directory()
        (temporary / "files" / "a").write_bytes(content)
        (temporary / "files" / "b").write_bytes(content[::-1])
        members = Members({"v": ("%064x" % (n % 7), "")})
        with store.publishing():
            publish(store, temporary, lambda made: Record(key=key, object=made.digest, items=key.item_key(()), node="demo"), members)
            store.set_ref("d", "s", f"node{which if n % 4 else me}", key.digest)
    """
)

READ = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from cache.store import Store
    store, looks = Store(Path(sys.argv[1])), 0
    stop = Path(sys.argv[2])
    while not stop.exists():
        for path, key in store.refs():
            record = store.record(key)
            assert record is not None, f"{path} names {key}, which is not there"
            store.check_object(record.object, contents=True)
            content = str(record.key.params["which"]).encode() * 500
            assert (store.files(record) / "a").read_bytes() == content
            items = store.item_set("demo", record.items)
            for row in items.keys():
                assert items.get(row).payload == content
            looks += 1
    print(looks)
    """
)


@pytest.mark.long
def test_eight_writers_and_two_readers(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    root, stop = tmp_path / "store", tmp_path / "stop"
    Store(root).prepare()

    def start(script: str, *arguments: object) -> subprocess.Popen:
        command = [sys.executable, "-c", script, str(root), *map(str, arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    readers = [start(READ, stop) for _ in range(2)]
    writers = [start(WRITE, n, ROUNDS, KEYS) for n in range(WRITERS)]
    for writer in writers:
        _, errors = writer.communicate(timeout=600)
        assert writer.returncode == 0, errors
    stop.touch()
    for reader in readers:
        looks, errors = reader.communicate(timeout=120)
        assert reader.returncode == 0, errors
        assert int(looks) > 10
    store = Store(root)
    own = WRITERS * len([n for n in range(ROUNDS) if n % 4 == 0])
    assert len(list(store.objects())) == KEYS + own
    assert len(list(store.keys())) == KEYS + own
    assert not list((root / "tmp").iterdir())
    assert list(Fsck(store, 1.0)) == []
