"""8 bits: ranges are those of the inputs that were seen; convolutions then really compute in 8 bits, nearly the same, in any company."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cache.errors import ConfigError, DataError
from models.inference import instructions
from models.inference.infer import Whole
from models.inference.ranges import ranges_of
from models.inference.runtimes import openvino as own
from models.inference.runtimes import prepare
from models.inference.runtimes.gate import ALLOWED, admit
from models.inference.runtimes.openvino import PREFIX, compiled_model
from models.inference.runtimes.quantised import quantise
from tests.inference.test_runtimes import arithmetic, network
from tests.openvino import openvino_or_skip

openvino = openvino_or_skip()

NETWORKS = [
    ("resnet18", {}, (4, 3, 64, 64)),
    ("small2d", {}, (4, 3, 64, 64)),
    ("mobilenet_v3_small", {}, (4, 3, 64, 64)),
    ("small3d", {}, (4, 3, 8, 32, 32)),
    ("resnext101", {"depth": 50, "sample_size": 32, "sample_duration": 16}, (4, 3, 16, 32, 32)),
    ("i3d", {}, (4, 3, 16, 32, 32)),
]
#: of these every convolution does, if the processor has the instructions
ALL_IN_8_BITS = ("resnet18", "resnext101")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seen(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_range_is_the_mean_of_what_rows_reach() -> None:
    net = Whole(nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 1, 1)))
    nn.init.constant_(net.net[0].weight, 2.0)
    rows = torch.tensor([[-1.0, 3.0], [-2.0, 1.0], [-3.0, 0.00012345]]).reshape(3, 1, 1, 2)
    assert ranges_of(net, [rows[:2], rows[2:]]) == {"net.0": (-2.0, 1.333), "net.2": (0.0, 2.667)}


@pytest.mark.parametrize(("name", "options", "shape"), NETWORKS)
def test_features_in_8_bits_are_nearly_those_of_the_plain_network_whatever_the_company(name: str, options, shape, monkeypatch) -> None:
    missing = instructions.lacks("int8", "cpu")
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"avx512_vnni"}))  # without it: slower, and nearly the same
    net, x, compiled = network(name, options), seen(shape, 1), []
    monkeypatch.setattr(own, "compiled_model", lambda *how: compiled.append(compiled_model(*how)) or compiled[-1])
    feature = prepare("openvino", net, x, "int8", 1, ranges_of(net, [seen(shape, 2)]))
    if name in ALL_IN_8_BITS and not missing:
        assert arithmetic(compiled[0]) <= {"u8", "i8"}
    assert 1e-4 < admit(feature, net, x, "int8", name) < ALLOWED["int8"]
    with torch.inference_mode():
        rows, want = feature(x), net.feature(x)
        assert torch.equal(rows.roll(1, 0), feature(x.roll(1, 0)))
        alone = torch.zeros_like(x)
        alone[2] = x[2]
        assert torch.equal(rows[2], feature(alone)[2])
        assert float(nn.functional.cosine_similarity(rows, want).min()) > 0.98


def test_a_network_whose_range_was_not_measured_is_refused() -> None:
    net, x = network("small2d", {}), seen((4, 3, 32, 32), 1)
    ranges = ranges_of(net, [x])
    name = sorted(ranges)[-1]
    with pytest.raises(DataError, match=f"input of {name} was not measured"):
        compiled_model(net, x, "int8", 1, {key: value for key, value in ranges.items() if key != name})


def test_only_a_runtime_that_can_and_only_with_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"avx512_vnni"}))
    net, x = network("small2d", {}), seen((4, 3, 32, 32), 1)
    for runtime, ranges in (("eager", ranges_of(net, [x])), ("openvino", None)):
        with pytest.raises(ConfigError, match="does not compute in int8") as error:
            prepare(runtime, net, x, "int8", 1, ranges)
        assert error.value.hint == "runtime=openvino does"


def test_steps_are_symmetric_about_zero_unless_nothing_is_below_it() -> None:
    net, x = Whole(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))).eval(), torch.zeros(1, 3, 4, 4)
    model = openvino.convert_model(_Forward(net), example_input=x, input=list(x.shape))
    quantise(model, {"net.0": (-1.0, 2.0), "net.2": (0.0, 5.0)}, PREFIX)
    steps = [op for op in model.get_ordered_ops() if op.get_type_name() == "FakeQuantize"]
    found = {tuple(round(float(bound.get_node().data.ravel()[0]), 4) for bound in op.input_values()[1:3]) for op in steps}
    assert {(round(-2 * 128 / 127, 4), 2.0), (0.0, 5.0)} <= found and len(steps) == 4


class _Forward(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.feature(x)
