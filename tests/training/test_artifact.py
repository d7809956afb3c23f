"""A trained network is written and read in one place, and timed and counted alike, whatever its system."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cache.errors import DataError
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from models import cost, timing
from models.training.artifact import read_network, write_network
from models.training.result import Result
from tests.command import PROJECT


def build(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 4), nn.BatchNorm1d(4))


def written(out: Path, **more: object) -> nn.Module:
    torch.manual_seed(0)
    model = build(3)
    curves = [{"epoch": 0, "val_gap": 0.25}, {"epoch": 1, "val_gap": 0.5}]
    result = Result(**{"weights": dict(model.state_dict()), "epoch": 1, "curves": curves, "selected_by": "gap", **more})
    write_network(out, result, {"arguments": {"width": 3}, "role": "teacher"})
    return model


def test_a_network_comes_back_frozen_with_its_weights_and_draws_no_random_number(tmp_path: Path) -> None:
    model = written(tmp_path)
    before = torch.get_rng_state()
    again, about = read_network(tmp_path, build)
    assert torch.equal(torch.get_rng_state(), before)
    assert not again.training and not any(parameter.requires_grad for parameter in again.parameters())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    assert (about["best_epoch"], about["selected_by"], about["best_value"], about["role"]) == (1, "gap", 0.5, "teacher")


def test_nothing_loads_the_compiler_to_read_a_network_and_to_repeat_bits(tmp_path: Path) -> None:
    """Not for first weights that are thrown away, of any layer, and not for the switch to operations that repeat their bits."""
    net = nn.ModuleList([nn.Linear(3, 4), nn.Embedding(5, 2), nn.LSTM(2, 3), nn.Conv3d(1, 2, 1), nn.MultiheadAttention(4, 2)])
    write_network(tmp_path, Result(dict(net.state_dict()), 0, []), {"arguments": {}})
    code = (
        "import sys; from pathlib import Path; from torch import nn\n"
        "from models.training.artifact import read_network; from models.training.determinism import make_deterministic\n"
        "parts = lambda: nn.ModuleList("
        "[nn.Linear(3, 4), nn.Embedding(5, 2), nn.LSTM(2, 3), nn.Conv3d(1, 2, 1), nn.MultiheadAttention(4, 2)])\n"
        "make_deterministic(0); read_network(Path(sys.argv[1]), parts)\n"
        "import torch; print('torch._dynamo' in sys.modules, torch.are_deterministic_algorithms_enabled())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_a_network_of_the_last_epoch_has_no_best_value(tmp_path: Path) -> None:
    written(tmp_path, selected_by="")
    about = json.loads((tmp_path / "model.json").read_text())
    assert (about["best_epoch"], about["best_value"]) == (1, None)


@pytest.mark.parametrize("found", [[], ["put_", "cumsum_cuda_kernel"]])
def test_the_record_says_whether_another_run_would_end_in_the_same_bits_and_if_not_why(found: list[str], tmp_path: Path) -> None:
    written(tmp_path, unrepeatable=found)
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["deterministic"] == (not found) and about["operations_without_deterministic_form"] == sorted(found)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(DataError, match=r"model\.safetensors does not fit model\.json"):
        read_network(tmp_path, lambda width: nn.Linear(width, 5))


def test_every_network_is_warmed_up_and_run_without_gradients_as_often_as_it_says(tmp_path: Path) -> None:
    runs: list[bool] = []

    class Watched(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            runs.append(torch.is_inference_mode_enabled())
            return x

    params = SimpleNamespace(repeats=3, batch_size=5, threads=torch.get_num_threads())
    ctx = Context(params, tmp_path, tmp_path, Ledger(), Quiet, device="cpu:0")
    timing.time_networks(ctx, ["a", "b"], lambda name: (Watched(), lambda count: (torch.zeros(count, 2),)))
    found = json.loads((tmp_path / "timing.json").read_text())
    assert runs == [True] * 2 * 2 * (timing.WARM_UPS + 3)
    assert set(found["models"]) == {"a", "b"} and (found["device"], found["repeats"], found["batch_size"]) == ("cpu", 3, 5)
    assert all(value >= 0 for times in found["models"].values() for value in times.values())


def test_products_are_counted_and_lstms_by_their_formula() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.lstm = nn.Linear(3, 4), nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(self.first(x))[0]

    of = cost.flops(Net(), (torch.zeros(2, 6, 3),))
    steps = 2 * 6
    assert of("first") == 2 * steps * 3 * 4
    assert of("lstm") == 2 * steps * 2 * 4 * 5 * ((4 + 5) + (10 + 5))
    assert of("") == of("first") + of("lstm")
    assert cost.parameters(nn.Linear(3, 4)) == 16
