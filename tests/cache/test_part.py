"""Parts of an item set: what a process sees that fills one of them."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest

from cache.errors import ConfigError
from cache.filling import fillers, filling
from cache.fsck import Fsck
from cache.gc import find
from cache.items import ItemSet
from cache.part import Filled, Part, Shard, Survey, counted, place_of
from cache.store import Store

KEYS = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(200)]


def test_a_shard_is_a_number_of_a_count() -> None:
    assert str(Shard.parse(" 3/8")) == "3/8"
    for text in ("0/8", "9/8", "3", "3/0", "a/b", "-1/8", "3/8/2", ""):
        with pytest.raises(ConfigError):
            Shard.parse(text)


@pytest.mark.parametrize("count", [1, 2, 7, 200])
def test_every_row_belongs_to_one_shard(count: int) -> None:
    held = [[shard.holds(key) for shard in (Shard(n, count) for n in range(1, count + 1))] for key in KEYS]
    assert all(sum(one) == 1 for one in held)
    assert [one.index(True) for one in held] == [place_of(key, count) for key in KEYS]
    assert counted(KEYS, count) == [sum(one[n] for one in held) for n in range(count)]


def test_the_rule_is_the_sha256_of_the_row_key() -> None:
    assert place_of(KEYS[0], 1000) == int(hashlib.sha256(KEYS[0].encode()).hexdigest(), 16) % 1000


def test_rows_of_other_shards_count_as_there(tmp_path: Path) -> None:
    part = Part(tmp_path, shard=Shard(1, 4))
    own = {key for key in KEYS if key not in part}
    assert own == {key for key in KEYS if Shard(1, 4).holds(key)} and 20 < len(own) < 90
    part.append(min(own), b"row")
    part.flush()
    assert min(own) in part and max(own) not in part
    assert [key for key in ItemSet(tmp_path).keys()] == [min(own)]  # noqa: SIM118, C416 - not a mapping


def test_a_row_of_another_shard_that_comes_with_an_own_one_is_written(tmp_path: Path) -> None:
    part = Part(tmp_path, shard=Shard(1, 4))
    other = next(key for key in KEYS if not Shard(1, 4).holds(key))
    part.append(other, b"a piece")
    part.flush()
    assert ItemSet(tmp_path).get(other) is not None


def test_whoever_reads_a_row_of_a_part_has_begun_to_assemble(tmp_path: Path) -> None:
    part = Part(tmp_path, shard=Shard(1, 1))
    part.append(KEYS[0], b"row")
    for look in (part.get, part.peek, lambda key: next(part.read([key]))):
        with pytest.raises(Filled):
            look(KEYS[0])


def test_the_end_of_a_part_is_no_error_that_a_stage_could_catch(tmp_path: Path) -> None:
    with pytest.raises(Filled), contextlib.suppress(Exception):
        Part(tmp_path, shard=Shard(1, 1)).get(KEYS[0])


def test_a_row_that_names_others_is_whole_with_all_of_them(tmp_path: Path) -> None:
    part, own = Part(tmp_path, shard=Shard(1, 4)), [key for key in KEYS if Shard(1, 4).holds(key)]
    part.append(own[0], b"")
    pieces = {own[0]: KEYS[5:8], own[1]: []}
    assert not part.whole(own[0], lambda item: pieces[item.key])
    for piece in KEYS[5:8]:
        part.append(piece, b"piece")
    assert part.whole(own[0], lambda item: pieces[item.key])
    assert not part.whole(own[1], lambda item: pieces[item.key])
    assert part.whole(next(key for key in KEYS if not Shard(1, 4).holds(key)), lambda item: KEYS)


def test_a_survey_notes_what_is_asked_for_and_what_is_missing(tmp_path: Path) -> None:
    items = ItemSet(tmp_path)
    items.append(KEYS[0], b"row")
    items.flush()
    Part(tmp_path, shard=Shard(1, 1)).lost.add(KEYS[1], {"state": "timed_out", "reason": "300 s"})
    survey = Survey(tmp_path)
    assert all(key in survey for key in KEYS[:5])
    assert survey.wanted == set(KEYS[:5]) and survey.todo == set(KEYS[2:5])


def test_what_a_part_loses_others_know_until_a_run_has_counted_it(tmp_path: Path) -> None:
    part = Part(tmp_path, shard=Shard(1, 4))
    for key in KEYS[:3]:
        part.lost.add(key, {"state": "timed_out", "reason": "300 s"})
    assert len(list(tmp_path.glob("*.lost"))) == 1
    assert Part(tmp_path, shard=Shard(1, 4)).lost.get(KEYS[1]) == {"state": "timed_out", "reason": "300 s"}
    run = ItemSet(tmp_path)
    assert run.lost.get(KEYS[1]) == {"state": "timed_out", "reason": "300 s"} and KEYS[1] not in run
    run.lost.forget()
    assert ItemSet(tmp_path).lost.get(KEYS[1]) is None


def test_what_a_run_loses_is_its_own_business(tmp_path: Path) -> None:
    run = ItemSet(tmp_path)
    run.lost.add(KEYS[1], {"state": "timed_out", "reason": "300 s"})
    assert run.lost.get(KEYS[1]) is not None and ItemSet(tmp_path).lost.get(KEYS[1]) is None


def test_a_damaged_outcome_is_passed_over_and_found_by_fsck(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.prepare()
    place = store.items_path("sample", "a" * 64)
    Part(place, shard=Shard(1, 1)).lost.add(KEYS[1], {"state": "failed", "reason": "killed"})
    (path,) = place.glob("*.lost")
    assert not [found for found in Fsck(store, share=1) if not found.note]
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(bytes(data))
    assert ItemSet(place).lost.get(KEYS[1]) is None
    assert [found.path for found in Fsck(store, share=1) if not found.note] == [path]


def test_a_row_says_what_made_it(tmp_path: Path) -> None:
    items = ItemSet(tmp_path)
    items.made = {"device": "cpu", "torch": "2.15.0"}
    items.append(KEYS[0], b"row", {"state": "ok"})
    item = ItemSet(tmp_path / "none").get(KEYS[0]) or items.get(KEYS[0])
    assert item is not None and item.made == {"device": "cpu", "torch": "2.15.0"}
    assert item.meta == items.peek(KEYS[0]) == {"state": "ok"}
    (read,) = items.read([KEYS[0]])
    assert read.made == item.made


def test_gc_leaves_alone_what_is_being_filled(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ItemSet(store.items_path("extract", "b" * 64)).append(KEYS[0], b"row")
    items = ItemSet(store.items_path("extract", "b" * 64))
    items.append(KEYS[0], b"row")
    items.flush()
    with filling(store, KEYS[3], what="extract.motion 3/8", uses={"items": [f"extract/{'b' * 64}"]}):
        assert [holder.what for holder in fillers(store, KEYS[3])] == ["extract.motion 3/8"]
        assert not find(store, grace=0)
    assert not fillers(store, KEYS[3])
    assert [one.kind for one in find(store, grace=0)] == ["items"]
