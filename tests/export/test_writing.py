"""What becomes of a network that does not pass, of a place that is taken, and of the other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cache.errors import ConfigError, KdpipeError
from models.exported import Exportable, Measure, Port, apart, around, in_lots
from pipeline.export import writing
from tests.export.bench import about, ask, export, exportable

MEASURE = Measure("share above 0", lambda run: float((run({"x": np.ones((3, 4), np.float32)})["y"] > 0).mean()))


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.network(x),)


def tiny(error: float = 0.0) -> Exportable:
    """A network of one layer, whose reference says something else by ``error``."""
    module = Tiny().eval().requires_grad_(False)

    def reference(feed: Any) -> Any:
        return {"y": module(torch.from_numpy(feed["x"]))[0].numpy() + np.float32(error)}

    rows = [{"x": np.random.default_rng(size).standard_normal((size, 4)).astype(np.float32)} for size in (3, 2, 1)]
    port, out = Port("x", "float32", ("batch", 4), "numbers"), Port("y", "float32", ("batch", 2), "sums")
    return Exportable(module, (port,), (out,), rows, reference, {"how": "as they are"}, "systems.fewerframes.standalone", MEASURE)


@pytest.mark.parametrize("format", writing.FILES)
def test_a_network_that_says_something_else_leaves_no_file(tmp_path: Path, format: str) -> None:
    with pytest.raises(KdpipeError, match="was not exported"):
        export(tiny(error=1e-2), tmp_path / "out", format)
    assert list(tmp_path.iterdir()) == []


def test_what_fails_on_the_way_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_json", full)
    with pytest.raises(OSError, match="No space"):
        export(tiny(), tmp_path / "out", "safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        export(tiny(), tmp_path, "safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    written = export(tiny(), tmp_path / "out", "safetensors")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.safetensors", "model.json"}
    assert written.parity == writing.Parity(0.0, (3, 2, 1)) and written.files["model.safetensors"] > 40


def test_a_score_of_integers_stands_beside_that_of_floats(tmp_path: Path) -> None:
    written = export(tiny(), tmp_path / "out", int8=True)
    said = about(tmp_path / "out")
    assert said["file"] == "model.int8.onnx" and said["test"] == {"measure": "share above 0", **written.scores}
    assert set(written.scores) == {"model.onnx", "model.int8.onnx"}


def test_weights_have_the_names_of_the_trained_network(tmp_path: Path) -> None:
    network = exportable("videoqa", tmp_path / "bench")
    export(network, tmp_path / "out", "safetensors")
    written, trained = load_file(tmp_path / "out" / "model.safetensors"), load_file(tmp_path / "bench" / "student" / "model.safetensors")
    assert written.keys() == trained.keys() and all(torch.equal(written[name], trained[name]) for name in trained)


@pytest.mark.long
@pytest.mark.parametrize("name", ["videoqa", "fewerframes"])
def test_torchscript_says_the_same_of_batches_of_any_size(tmp_path: Path, name: str) -> None:
    from pipeline.export import torchscript

    network = exportable(name, tmp_path / "bench")
    assert export(network, tmp_path / "out", "torchscript").parity.difference < 1e-5
    run = torchscript.run(tmp_path / "out" / "model.pt", network.inputs, network.outputs)
    feed = {name: np.concatenate([one, one, one]) for name, one in network.rows[0].items()}
    assert apart(run(feed), network.reference(feed)) < 1e-5
    if name == "fewerframes":
        np.save(tmp_path / "frames.npy", network.rows[0]["frames"][0])
        assert len(ask(tmp_path / "out", str(tmp_path / "frames.npy"), torch=True)) == 5


@pytest.mark.parametrize(
    ("left", "right", "far"),
    [([1.0, 2.0], [1.0, 2.0], 0.0), ([1.0, 2.2], [1.0, 2.0], 0.1), ([1.0], [1.0, 2.0], np.inf), ([np.nan, 1.0], [0.0, 1.0], np.inf)],
)
def test_how_far_outputs_are_apart(left: list[float], right: list[float], far: float) -> None:
    assert apart({"y": np.array(left)}, {"y": np.array(right)}) == pytest.approx(far)
    assert apart({}, {"y": np.array(right)}) == np.inf


def test_batches_go_round_and_a_score_sees_each_row_once() -> None:
    assert around(4, (3, 2, 1)) == [[0, 1, 2], [3, 0], [1]] and around(1, (2, 1)) == [[0, 0], [0]]
    assert in_lots(5, 2) == [[0, 1], [2, 3], [4]] and in_lots(2, 2) == [[0, 1]] and in_lots(0, 2) == []
