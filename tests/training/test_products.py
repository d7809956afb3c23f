"""Products of a training step are the same whichever library multiplies, and which one does depends on the processor alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from models.inference.instructions import made_by
from models.training import products

AMD, INTEL = "AuthenticAMD", "GenuineIntel"
onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch was built without oneDNN")


def on(monkeypatch: pytest.MonkeyPatch, maker: str, *instructions: str) -> None:
    """Pretend that the processor is another one, and that no product is too small unless it is empty."""
    products.library.cache_clear()
    monkeypatch.setattr(products, "maker", lambda: maker)
    monkeypatch.setattr(products, "instructions", lambda: frozenset(instructions))
    monkeypatch.setattr(products, "SMALLEST", 1)


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    on(monkeypatch, AMD, "avx2", "avx512f")
    yield
    products.library.cache_clear()


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    products.library.cache_clear()


def called(left: Tensor, right: Tensor) -> str:
    """Which operation a product is."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        products.product(left, right)
    return "onednn" if any("_linear_pointwise" in event.key for event in seen.key_averages()) else "torch"


def same(found: Tensor, expected: Tensor) -> None:
    """To rounding: sums of up to 65 products of numbers near 1."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@onednn
@pytest.mark.parametrize("rows", [0, 1, 7, 64])
@pytest.mark.parametrize(("inner", "columns"), [(1, 1), (5, 3), (16, 128), (65, 33)])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("turned", ["neither", "left", "right", "both"])
def test_a_product_is_the_same_by_either_library(amd: None, rows: int, inner: int, columns: int, biased: bool, turned: str) -> None:
    left, right, bias = torch.randn(rows, inner), torch.randn(inner, columns), torch.randn(columns) if biased else None
    expected = left @ right if bias is None else torch.addmm(bias, left, right)
    left = left.t().contiguous().t() if turned in ("left", "both") else left
    right = right.t().contiguous().t() if turned in ("right", "both") else right
    found = products.product(left, right, bias)
    assert found.is_contiguous()
    same(found, expected)


@onednn
def test_a_product_has_the_same_bits_wherever_its_matrices_lie_in_memory(amd: None) -> None:
    left, right, room = torch.randn(33, 65), torch.randn(65, 40), torch.empty(3 + 33 * 65)
    moved = room[3:].view(33, 65).copy_(left)
    assert moved.data_ptr() % 64 != left.data_ptr() % 64
    assert torch.equal(products.product(left, right), products.product(moved, right))


@onednn
@pytest.mark.parametrize("shape", [(6, 40), (2, 3, 40), (0, 40), (1, 40)])
@pytest.mark.parametrize("biased", [False, True])
def test_a_linear_layer_has_the_values_and_gradients_of_pytorchs(amd: None, shape: tuple[int, ...], biased: bool) -> None:
    layer, x = nn.Linear(40, 16, bias=biased), torch.randn(*shape, requires_grad=True)
    of = [x, *layer.parameters()]
    plain, found = layer(x), products.applied(layer, x)
    assert (type(found.grad_fn) is not type(plain.grad_fn)) == (x.numel() > 0)
    same(found, plain)
    weight = torch.randn(plain.shape)
    for mine, theirs in zip(*(torch.autograd.grad((y * weight).sum(), of) for y in (found, plain)), strict=True):
        same(mine, theirs)


@onednn
def test_only_the_gradients_that_are_asked_for_are_computed(amd: None) -> None:
    x, weight = torch.randn(6, 40), torch.randn(16, 40, requires_grad=True)
    products.linear(x, weight).sum().backward()
    assert x.grad is None and weight.grad is not None
    same(weight.grad, x.sum(0).expand(16, -1))
    with torch.no_grad():
        assert not products.linear(x, weight).requires_grad


@onednn
def test_the_processor_decides_who_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = torch.randn(8, 8), torch.randn(8, 8)
    for maker, instructions, expected in (
        (AMD, ("avx2", "avx512f"), "onednn"),
        (AMD, ("avx2",), "torch"),
        (INTEL, ("avx2", "avx512f"), "torch"),
        ("", (), "torch"),
    ):
        on(monkeypatch, maker, *instructions)
        assert (products.library(), called(left, right)) == (expected, expected), maker


@onednn
def test_what_onednn_does_no_better_is_pytorchs(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = torch.randn(8, 8), torch.randn(8, 8)
    assert called(left, right) == called(left, right.t()) == called(left.t(), torch.randn(8, 16)) == "onednn"
    assert called(left.t(), right) == called(left.double(), right.double()) == called(left.bfloat16(), right.bfloat16()) == "torch"
    with torch.autocast("cpu", torch.bfloat16):
        assert called(left, right) == "torch"
        assert products.linear(left, right).dtype is torch.bfloat16
    monkeypatch.setattr(products, "SMALLEST", 8**3 + 1)
    assert called(left, right) == "torch"


@onednn
def test_a_graph_that_is_exported_has_no_operation_of_onednn(amd: None) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return products.applied(self.layer, x)

    program = torch.export.export(Net().eval(), (torch.randn(4, 8),))
    assert not any("mkldnn" in str(node.target) for node in program.graph.nodes)


@onednn
def test_the_counter_of_flops_sees_products_of_onednn(amd: None) -> None:
    x, layer = torch.randn(6, 40), nn.Linear(40, 16)
    counts = []
    for apply in (lambda: products.applied(layer, x), lambda: F.linear(x, layer.weight, layer.bias)):
        with FlopCounterMode(display=False) as counter:
            apply().sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] == 2 * (2 * 6 * 40 * 16)


def test_the_maker_is_what_all_processors_name(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\n\nprocessor\t: 1\nvendor_id\t: AuthenticAMD\n")
    assert made_by(told) == AMD
    told.write_text("vendor_id\t: AuthenticAMD\nvendor_id\t: GenuineIntel\n")
    assert made_by(told) == ""
    assert made_by(tmp_path / "not there") == ""
