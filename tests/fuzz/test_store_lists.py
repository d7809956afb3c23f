"""The list of imports of a dataset, ``imports/<dataset>.json``: sealed, so whatever is not what was written is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.store import Store
from models.backbones.kinds import KINDS
from pipeline import imports
from tests.fuzz.files import refusal, spoilt, truncations

ONE = {"kind": "motion", "sha256": "0" * 64, "file": "/data/motion.h5", "when": "2026-11-28 07:00"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    imports.put(store, "msvd", {"motion": ONE})
    return store


def test_a_list_cut_at_any_byte_is_refused(store: Store) -> None:
    path = imports.path_of(store, "msvd")
    whole = path.read_bytes()
    path.chmod(0o644)
    for cut in truncations(whole.rstrip()):
        path.write_bytes(cut)
        assert refusal(path, lambda: imports.current(store, "msvd")) is not None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoilt_list_is_refused_or_what_was_written(store: Store, data: st.DataObject) -> None:
    path = imports.path_of(store, "msvd")
    path.unlink()
    imports.undo(store, "msvd", tuple(KINDS))
    imports.put(store, "msvd", {"motion": ONE})
    path.chmod(0o644)
    path.write_bytes(data.draw(spoilt(path.read_bytes())))
    if refusal(path, lambda: imports.current(store, "msvd")) is None:
        assert imports.current(store, "msvd") == {"motion": ONE}
