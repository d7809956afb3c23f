"""Item sets: append-only shards with a checksum per row."""

import hashlib
import threading
import time
import zlib
from pathlib import Path

import pytest

from cache import items
from cache.errors import StoreError
from cache.items import ItemSet
from cache.shard import HEAD2, TAIL, quick, scan


def key(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def filled(directory: Path, count: int = 5) -> ItemSet:
    items = ItemSet(directory)
    for n in range(count):
        items.append(key(n), bytes([n]) * (10 + n), {"state": "ok", "n": n})
    items.flush()
    return items


def test_rows_come_back_in_another_process_view(tmp_path: Path) -> None:
    filled(tmp_path / "set")
    again = ItemSet(tmp_path / "set", writable=False)
    assert len(again) == 5
    item = again.get(key(3))
    assert item is not None
    assert item.payload == b"\x03" * 13
    assert item.meta == {"state": "ok", "n": 3}
    assert item.digest == hashlib.sha256(item.payload).hexdigest()
    assert again.get(key(99)) is None


def test_a_row_is_readable_by_its_writer_before_flush(tmp_path: Path) -> None:
    items = ItemSet(tmp_path)
    items.append(key(1), b"payload")
    assert key(1) in items
    found = items.get(key(1))
    assert found is not None and found.payload == b"payload"


def test_unflushed_rows_are_all_that_a_kill_loses(tmp_path: Path) -> None:
    items = filled(tmp_path, 3)
    items.append(key(10), b"never flushed")
    del items
    assert sorted(ItemSet(tmp_path).keys()) == sorted(key(n) for n in range(3))


@pytest.mark.parametrize("cut", [1, 20, 40, 60])
def test_a_torn_tail_is_not_seen_and_the_rows_before_it_are(tmp_path: Path, cut: int) -> None:
    filled(tmp_path, 3)
    (shard,) = tmp_path.glob("*.items")
    data = shard.read_bytes()
    shard.write_bytes(data[:-cut])
    again = ItemSet(tmp_path)
    assert len(again) == 2
    assert again.get(key(1)) is not None


def test_every_flipped_bit_of_a_row_is_refused_or_hides_the_row(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (shard,) = tmp_path.glob("*.items")
    good = shard.read_bytes()
    for position in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[position] ^= 1 << bit
            shard.write_bytes(bytes(bad))
            items = ItemSet(tmp_path)
            try:
                assert items.get(key(0)) is None
            except StoreError as error:
                assert "checksum" in error.message


def test_two_writers_use_shards_of_their_own_and_see_one_another(tmp_path: Path) -> None:
    first, second = ItemSet(tmp_path), ItemSet(tmp_path)
    first.append(key(1), b"a")
    second.append(key(2), b"b")
    first.flush()
    second.flush()
    assert len(list(tmp_path.glob("*.items"))) == 2
    first.refresh()
    found = first.get(key(2))
    assert found is not None and found.payload == b"b"


def test_a_key_is_stored_once(tmp_path: Path) -> None:
    items = filled(tmp_path, 1)
    (shard,) = tmp_path.glob("*.items")
    size = shard.stat().st_size
    items.append(key(0), b"something else")
    items.flush()
    assert shard.stat().st_size == size


def test_a_read_only_set_refuses_rows(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(StoreError, match="read-only"):
        ItemSet(tmp_path, writable=False).append(key(9), b"x")


def test_many_rows_are_read_in_the_order_asked_for_and_checked(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    more = ItemSet(tmp_path)
    more.append(key(5), b"another shard", {"state": "ok"})
    order = [4, 0, 1, 2, 5, 3, 3]
    rows = list(more.read(key(n) for n in order))
    assert [row.key for row in rows] == [key(n) for n in order]
    for row in rows:
        single = more.get(row.key)
        assert single is not None
        assert (bytes(row.payload), row.meta, row.digest) == (single.payload, single.meta, single.digest)
        assert row.digest == hashlib.sha256(row.payload).hexdigest()
    with pytest.raises(KeyError):
        list(more.read([key(99)]))


@pytest.mark.parametrize("late", ["thread", "caller"])
def test_rows_keep_their_order_whoever_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str) -> None:
    rows = filled(tmp_path, 40)
    monkeypatch.setattr("cache.items.RUN_BYTES", 150)
    monkeypatch.setattr("cache.items.AHEAD_BYTES", 1500)
    real, readers = items._items, set()

    def slow(places, *, whole=False):
        readers.add(threading.current_thread() is threading.main_thread())
        if (threading.current_thread() is threading.main_thread()) == (late == "caller"):
            time.sleep(0.01)
        return real(places, whole=whole)

    monkeypatch.setattr(items, "_items", slow)
    order = [(7 * n) % 40 for n in range(40)]
    assert [row.key for row in rows.read(key(n) for n in order)] == [key(n) for n in order]
    assert (late == "thread") in readers  # a slow thread is helped by the caller, a slow caller is served by the thread


def test_a_damaged_row_among_many_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    (shard,) = tmp_path.glob("*.items")
    data = bytearray(shard.read_bytes())
    data[data.index(b"\x01" * 11) + 3] ^= 4
    shard.write_bytes(data)
    rows = ItemSet(tmp_path).read(key(n) for n in range(3))
    with pytest.raises(StoreError, match=f"item {key(1)[:12]} .* checksum does not match"):
        list(rows)


def test_meta_is_had_without_the_payload(tmp_path: Path) -> None:
    items = filled(tmp_path, 3)
    assert items.peek(key(2)) == {"state": "ok", "n": 2}
    assert items.peek(key(99)) is None


def test_the_digest_of_a_payload_is_not_for_others_to_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sha256"):
        ItemSet(tmp_path).append(key(1), b"x", {"sha256": "0" * 64})


def test_the_quick_check_refuses_every_flipped_bit_of_a_row_but_those_of_its_sha256(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    (shard,) = tmp_path.glob("*.items")
    whole = shard.read_bytes()
    first, second = scan(shard)
    for bit in range(8 * (second.end - second.offset - TAIL)):
        data = bytearray(whole)
        data[second.offset + bit // 8] ^= 1 << bit % 8
        shard.write_bytes(data)
        try:
            got = [row.payload for row in ItemSet(tmp_path).read([second.key])]
        except (KeyError, StoreError):
            continue
        pytest.fail(f"bit {bit} is flipped and the row is read: {got}")
    shard.write_bytes(whole)
    assert [quick(place, memoryview(whole)[place.offset : place.end]) for place in (first, second)] == [True, True]


def test_rows_of_before_the_quick_check_are_checked_by_sha256(tmp_path: Path) -> None:
    meta, payload = b'{"n":3}', b"abc" * 9
    head = HEAD2.pack(b"KDI2", bytes.fromhex(key(3)), len(meta), len(payload), 0)[:-4]
    row = head + zlib.crc32(head).to_bytes(4, "little") + meta + payload
    row += hashlib.sha256(row).digest()
    (tmp_path / "old.items").write_bytes(row)
    (item,) = ItemSet(tmp_path).read([key(3)])
    assert (bytes(item.payload), item.meta) == (payload, {"n": 3})
    (tmp_path / "old.items").write_bytes(row.replace(b"abca", b"abba"))
    with pytest.raises(StoreError, match="checksum does not match"):
        list(ItemSet(tmp_path).read([key(3)]))
