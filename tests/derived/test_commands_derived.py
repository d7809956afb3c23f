"""The commands that let what was derived out, and show it, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.store import Store
from pipeline.derived import Derivation
from tests.command import kdpipe

pytestmark = pytest.mark.long


def test_export_derived_names_what_it_wrote_and_writes_nothing_twice(
    tmp_path: Path, store: Store, derived: Callable[..., Derivation]
) -> None:
    key = derived("flow", "xy").record.digest[:12]
    out = tmp_path / "out"
    planned = kdpipe(store.root, "export-derived", key, "--as", "flo", "--out", str(out), "--dry-run")
    assert "3 videos" in planned.stdout and not out.exists()
    told = json.loads(kdpipe(store.root, "export-derived", key, "--as", "flo", "--out", str(out), "--json").stdout)
    assert told["directories"] == [str(out)] and told["videos"] == 3 and len(list(out.rglob("*.flo"))) == 9
    again = kdpipe(store.root, "export-derived", key, "--as", "flo", "--out", str(out), code=1)
    assert "nothing is written over" in again.stderr
    wrong = kdpipe(store.root, "export-derived", key, "--as", "keypoints", "--out", str(tmp_path / "b"), code=1)
    assert "keypoints is for skeleton" in wrong.stderr


def test_show_draws_a_sheet(tmp_path: Path, store: Store, derived: Callable[..., Derivation]) -> None:
    key = derived("flow", "float").record.digest[:12]
    page = tmp_path / "sheet.png"
    assert "2 videos" in kdpipe(store.root, "show", key, "--sheet", str(page), "--videos", "2").stdout
    assert page.read_bytes().startswith(b"\x89PNG")
