"""Imported features and weights travel with push and pull, by the real commands; what stands in a store is never replaced in silence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cache.store import Store, open_sealed, seal
from models.backbones import mobilenetv3
from pipeline import imports
from tests import command
from tests.features.conftest import published
from tests.parity.case import load_filled

EXTRACT = ("extract.appearance", "extract.motion")
#: Weights of their own for a network; the frames stay those of the dataset.
MINE = ("--set", "extract.appearance.backbone=mobilenet_v3_small", "--set", "extract.appearance.weights=mine")

pytestmark = pytest.mark.long


def kdpipe(store: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return command.kdpipe(store, *words, code=code, KDPIPE_DATASET="tiny")


def status(store: Path) -> dict[str, dict[str, Any]]:
    return {row["node"]: row for row in json.loads(kdpipe(store, "status", "--json").stdout)}


def files_of(base: Path, seed: int) -> list[str]:
    """Features of the sixteen videos as somebody might have published them."""
    numbers = np.random.default_rng(seed)
    ids = np.arange(1, 17)
    rows = {"appearance": numbers.random((16, 3, 16, 8), np.float32), "motion": numbers.random((16, 3, 8), np.float32)}
    arrays = {"appearance": "resnet_features", "motion": "resnext_features"}
    return [str(published(base / f"{kind}_{seed}_feat.h5", rows[kind], ids, arrays[kind])) for kind in rows]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory beside a store whose features and weights were imported; all of it was pushed."""
    base = tmp_path_factory.mktemp("team")
    net = mobilenetv3.mobilenet_v3_small(3)
    load_filled(net, {name: value.shape for name, value in net.state_dict().items()}, seed=7)
    torch.save(net.state_dict(), base / "mine.pth")
    kdpipe(base / "store", "weights", "import", str(base / "mine.pth"))
    kdpipe(base / "store", "import-features", *files_of(base, 0))
    said = kdpipe(base / "store", "push", str(base / "team"), "--all").stdout
    assert "2 imported files" in said
    return base / "team"


def test_imported_features_are_pulled_and_are_what_is_wanted(team: Path, tmp_path: Path) -> None:
    told = kdpipe(tmp_path / "store", "pull", str(team), "features")
    assert "imported features of tiny: pulled: appearance from " in told.stderr and "extract.motion: pulled" in told.stdout
    rows = status(tmp_path / "store")
    assert all(rows[name]["status"] == "fresh" and "imported from" in rows[name]["imported"] for name in EXTRACT)
    assert "sample" not in rows  # no video is opened any more
    again = kdpipe(tmp_path / "store", "pull", str(team), "features")
    assert again.stderr == "" and "extract.motion: here already" in again.stdout


def test_features_that_were_imported_here_stay(team: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    kdpipe(store, "import-features", *files_of(tmp_path, 1))
    before = (store / "imports" / "tiny.json").read_bytes()
    told = kdpipe(store, "pull", str(team), "features").stderr
    assert "other features of tiny are imported there; what stands here is kept" in told
    assert (store / "imports" / "tiny.json").read_bytes() == before
    kdpipe(store, "import-features", "--undo")
    kdpipe(store, "pull", str(team), "index")
    assert imports.current(Store(store), "tiny") == {}


def test_weights_that_the_wanted_stages_name_are_pulled(team: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ignore = ("--set", "imports=ignore", *MINE)
    assert "imported weights mine: would be pulled" in kdpipe(store, "pull", str(team), "features", "--dry-run", *ignore).stderr
    assert not (store / "weights").exists()
    assert "imported weights mine: pulled" in kdpipe(store, "pull", str(team), "features", *ignore).stderr
    assert (store / "weights" / "mine.safetensors").read_bytes() == (team / "weights" / "mine.safetensors").read_bytes()
    assert kdpipe(store, "plan", "features", "--make", *ignore).stdout  # nothing is missing to run it
    assert "0 damaged" in kdpipe(store, "fsck", "--all").stdout


def test_damaged_weights_of_a_team_are_not_taken_over(team: Path, tmp_path: Path) -> None:
    other = tmp_path / "team"
    subprocess.run(["cp", "-r", str(team), str(other)], check=True)
    path = other / "weights" / "mine.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 16
    path.chmod(0o644)
    path.write_bytes(data)
    failed = kdpipe(tmp_path / "store", "pull", str(other), "index", "features", "--set", "imports=ignore", *MINE, code=1)
    assert "is damaged" in failed.stderr and "index: pulled" in failed.stdout
    assert not list((tmp_path / "store" / "weights").glob("*"))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "notion"},
        {"kind": "motion"},
        {"sha256": "../../x"},
        {"unknown": 1},
        {"max_lost": "all"},
        {"file": "a\x1b[2J"},
        {"ids": "guess"},
    ],
    ids=str,
)
def test_a_list_of_imports_that_cannot_be_is_not_taken_over(team: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    value = open_sealed((team / "imports" / "tiny.json").read_bytes())
    assert imports.wrong(value) == ""
    value["current"]["appearance"].update(change)
    assert imports.wrong(value) != ""
    for odd in ({}, {"current": [], "past": []}, {"current": {"sound": {}}, "past": []}, {"current": {"motion": 3}, "past": []}):
        assert imports.wrong(odd) != ""
    other = tmp_path / "team"
    (other / "imports").mkdir(parents=True)
    (other / "format.json").write_bytes((team / "format.json").read_bytes())
    (other / "imports" / "tiny.json").write_bytes(seal(value))
    if "unknown" in change:
        failed = kdpipe(tmp_path / "store", "pull", str(other), "index", code=1)
        assert "it was not taken over" in failed.stderr and not (tmp_path / "store" / "imports").exists()
