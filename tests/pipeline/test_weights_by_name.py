"""Imported weights are found by their name alone, keyed by their content; and weights that are nowhere are said before anything runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from cache.errors import ConfigError, DataError, KdpipeError
from cache.store import Store
from models.backbones import i3d, mobilenetv3
from models.backbones.registry import find
from pipeline import imports
from pipeline.cli import cli
from pipeline.config import Config
from pipeline.graph import Graph, build
from pipeline.judge import Judge
from stages.extract.network import load_network
from tests.parity.case import load_filled

PROJECT = Path(__file__).resolve().parents[2]
APPEARANCE = "extract.appearance"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def kdpipe(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(cli, [*map(str, arguments), "--json"])
    if isinstance(done.exception, KdpipeError):
        raise done.exception
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout)


def small(path: Path, seed: int = 7) -> Path:
    """A checkpoint of the smallest 2-D network."""
    net = mobilenetv3.mobilenet_v3_small(3)
    load_filled(net, {name: value.shape for name, value in net.state_dict().items()}, seed=seed)
    torch.save(net.state_dict(), path)
    return path


def graph(store: Path, backbone: str = "mobilenet_v3_small", **settings: object) -> Graph:
    chosen = [f"{APPEARANCE}.backbone={backbone}", *(f"{APPEARANCE}.{key}={value}" for key, value in settings.items())]
    return build(Config("tiny", "videoqa", chosen, weights=imports.weights(Store(store))))


def test_imported_weights_are_found_by_the_name_that_they_were_given(store: Path, tmp_path: Path) -> None:
    told = kdpipe("weights", "import", small(tmp_path / "mine.pth"))
    assert (told["name"], told["backbone"]) == ("mine", "mobilenet_v3_small")
    found = graph(store, weights="mine")
    judge = Judge(Store(store), found, read_files=True)
    (path,) = judge.files(found.nodes[APPEARANCE]).values()
    assert str(path) == told["path"] and judge.store.memo.digest(path) == told["sha256"]
    net = load_network(find("mobilenet_v3_small"), "mine", path, image_size=64, frames=1, seed=0, device="cpu")
    assert torch.equal(net.state_dict()["features.0.0.weight"], torch.load(tmp_path / "mine.pth")["features.0.0.weight"])


def test_published_weights_that_were_imported_need_no_path(store: Path, tmp_path: Path) -> None:
    net = i3d.topi3d(3)
    load_filled(net, {name: value.shape for name, value in net.state_dict().items()}, seed=1)
    torch.save({"state_dict": {f"backbone._model.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "ucf101-rgb.ckpt")
    told = kdpipe("weights", "import", tmp_path / "ucf101-rgb.ckpt", "--backbone", "topi3d")
    settings = ["extract.motion.backbone=topi3d", "extract.motion.weights=ucf101"]
    found = build(Config("tiny", "videoqa", settings, weights=imports.weights(Store(store))))
    assert found.nodes["extract.motion"].params.weights_file == told["path"]
    assert load_network(find("topi3d"), "ucf101", Path(told["path"]), image_size=64, frames=16, seed=0, device="cpu") is not None


def test_a_name_with_the_backbone_in_front_may_leave_it_out(store: Path, tmp_path: Path) -> None:
    told = kdpipe("weights", "import", small(tmp_path / "a.pth"), "--as", "mobilenet_v3_small.b")
    assert graph(store, weights="b").nodes[APPEARANCE].params.weights_file == told["path"]
    assert load_network(find("mobilenet_v3_small"), "b", Path(told["path"]), image_size=64, frames=1, seed=0, device="cpu") is not None


def test_a_file_that_is_named_wins_and_other_names_find_nothing(store: Path, tmp_path: Path) -> None:
    kdpipe("weights", "import", small(tmp_path / "mine.pth"))
    assert graph(store, weights="mine", weights_file="/x.pth").nodes[APPEARANCE].params.weights_file == "/x.pth"
    for weights in ("world", "file", "random", "imagenet1k_v1"):
        assert graph(store, weights=weights).nodes[APPEARANCE].params.weights_file == ""


def test_other_content_under_the_same_name_is_another_key(store: Path, tmp_path: Path) -> None:
    digests = []
    for seed in (1, 2):
        kdpipe("weights", "import", small(tmp_path / "mine.pth", seed), "--force")
        found = graph(store, weights="mine")
        judge = Judge(Store(store), found, read_files=True)
        digests.append([judge.store.memo.digest(path) for path in judge.files(found.nodes[APPEARANCE]).values()])
    assert digests[0] != digests[1]


def test_weights_of_another_network_and_damaged_ones_are_refused(store: Path, tmp_path: Path) -> None:
    path = Path(kdpipe("weights", "import", small(tmp_path / "mine.pth"))["path"])
    with pytest.raises(ConfigError, match="are of mobilenet_v3_small, not of resnet18"):
        load_network(find("resnet18"), "mine", path, image_size=64, frames=1, seed=0, device="cpu")
    data = bytearray(path.read_bytes())
    data[-5] ^= 16
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        load_network(find("mobilenet_v3_small"), "mine", path, image_size=64, frames=1, seed=0, device="cpu")


def test_words_of_their_own_are_no_names(store: Path, tmp_path: Path) -> None:
    for name in imports.NO_NAMES:
        with pytest.raises(ConfigError, match="a word of its own"):
            kdpipe("weights", "import", small(tmp_path / f"{name}.pth"))


def test_the_doctor_checks_imported_weights(store: Path, tmp_path: Path) -> None:
    kdpipe("weights", "import", small(tmp_path / "mine.pth"))
    words = ["--set", f"{APPEARANCE}.backbone=mobilenet_v3_small", "--set", f"{APPEARANCE}.weights=mine"]
    checks = {check["what"]: check for check in kdpipe("doctor", *words)["checks"]}
    assert checks[f"{APPEARANCE}.weights"]["state"] == "ok" and "mine.safetensors" in checks[f"{APPEARANCE}.weights"]["text"]


@pytest.mark.parametrize("verb", [("run", "features"), ("plan", "features", "--make")], ids=" ".join)
@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("weights=imagenet1k_v1", "kdpipe weights import resnet18-f37072fd.pth"),
        ("weights=file", "weights=file names no file"),
        ("weights_file=/nowhere.pth", "there is no such file"),
        ("weights=imagenet1k_v7", "did you mean 'imagenet1k_v1'"),
    ],
)
def test_weights_that_are_nowhere_are_said_before_anything_runs(store: Path, verb: tuple[str, ...], setting: str, says: str) -> None:
    words = [word for value in (f"{APPEARANCE}.backbone=resnet18", f"{APPEARANCE}.{setting}") for word in ("--set", value)]
    environment = {**os.environ, "KDPIPE_STORE": str(store), "KDPIPE_DEVICE": "cpu"}
    command = [sys.executable, "-m", "pipeline", *verb, "--dataset", "tiny", *words]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and says in done.stderr and "running" not in done.stderr and done.stdout == ""
    assert not (store / "objects").exists()
