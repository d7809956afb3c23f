"""Names that people choose become file names: never a path, never an option, always found again."""

import hashlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cache import pins
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.members import Members
from cache.names import escape, unescape
from cache.store import Store
from tests.cache.conftest import digest, make_key, publish

NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
HOSTILE = ["../../x", "/etc/passwd", "a\0b", "x" * 300, "ü" * 300, NFC, NFD, "-rf", ".", "..", ".hidden", "Case", "case", "CASE",
           "a b", "a\nb", "$(reboot)", "`id`", "a;b", "%2E", "%%", "con", "\ud800", "日本語", "a/b", "a\\b", "~", "*"]  # fmt: skip


@given(st.text(st.characters(), min_size=1))
@example("../../x")
@example("\ud800")
def test_a_name_is_one_safe_component_and_comes_back(name: str) -> None:
    escaped = escape(name)
    assert escaped.isascii() and len(escaped) <= 200
    assert not set(escaped) & set("/\\\0 $`;*~'\"\n") and escaped[0] not in ".-"
    assert escaped == escaped.lower() or "%" in escaped
    back = unescape(escaped)
    assert back == name or (back is None and len(name.encode("utf-8", "surrogatepass")) > 60)


def test_different_names_stay_different_even_where_file_systems_fold_them() -> None:
    folded = [unicodedata.normalize("NFC", escape(name)).casefold() for name in HOSTILE]
    assert len(set(folded)) == len(HOSTILE)


def test_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        escape("")


@pytest.mark.parametrize("name", HOSTILE)
def test_results_pins_and_failures_under_any_name_stay_in_the_store(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    record = publish(store, make_key(), {"a": "x"}, dataset=name, system=name, node=name)
    pins.pin(store, name, record)
    store.write_failure(name, name, name, {"error": "e", "key": "k"})
    assert store.ref(name, name, name) == record.digest
    assert pins.pins(Store(store.root))[name].key == record.digest
    failure = store.failure(name, name, name)
    assert failure is not None and failure["error"] == "e"
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert pins.unpin(store, name).name == name and pins.pins(store) == {}


def test_items_ledgers_and_members_hold_any_id(tmp_path: Path) -> None:
    items = ItemSet(tmp_path / "set")
    ledger, members = Ledger(), Members()
    for name in HOSTILE:
        if name == "\ud800":
            continue  # not a text that JSON lines can carry as utf-8; index refuses such a file name
        items.append(digest(name), name.encode(), {"id": name})
        ledger.add(name, "ok")
        members.add(name, digest(name), "")
    items.flush()
    names = [name for name in HOSTILE if name != "\ud800"]
    again = ItemSet(tmp_path / "set")
    assert all(again.get(digest(name)).payload.decode() == name for name in names)  # type: ignore[union-attr]
    assert set(Ledger.parse(ledger.dump()).entries) == set(names)
    (tmp_path / "members").write_bytes(members.dump())
    assert Members.read(tmp_path / "members", hashlib.sha256(members.dump()).hexdigest()) == members
