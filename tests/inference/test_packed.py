"""Sums and activations inside packed convolutions: drawn in where nothing else looks, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from models.backbones import registry
from models.backbones.registry import build
from models.inference.runtimes.eager import quicken
from models.inference.runtimes.packed import Fused, can_pack, pack
from models.inference.runtimes.winograd import WinogradConvolution, library, suits

pytestmark = pytest.mark.skipif(not can_pack(torch.device("cpu"), torch.float32), reason="this PyTorch has no oneDNN")


def kinds(graph: fx.Graph) -> list[str]:
    """The operations in order: c, c+ (with a sum), cr (with a ReLU or another activation), c+r, or the name of another."""
    found = []
    for node in graph.nodes:
        if node.op == "call_module":
            part = graph.owning_module.get_submodule(str(node.target))
            packed = isinstance(part, Fused)
            found.append(f"c{'+' * (len(node.args) - 1)}{'r' * ('after' in node.kwargs)}" if packed else type(part).__name__)
        elif node.op.startswith("call"):
            found.append(getattr(node.target, "__name__", str(node.target)))
    return found


class Toy(nn.Module):
    """Four convolutions, wired by ``how``."""

    def __init__(self, how: Callable[..., Tensor], channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c, self.d = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(4))
        self.none, self.relu, self.pool = nn.Identity(), nn.ReLU(), nn.MaxPool2d(3, 1, 1)
        self.how = how

    def forward_features(self, x: Tensor) -> Tensor:
        return self.how(self, x)


def a_view_is_read_later(t: Toy, x: Tensor) -> Tensor:
    y = t.a(x)
    half = y[:, :, ::2]
    z = t.b(t.c(y)) + y
    return z[:, :, ::2] + half


def overwritten_would_be_read_again(t: Toy, x: Tensor) -> Tensor:
    y = t.a(x)
    z = t.b(t.c(x)) + y
    return t.d(y) + z


#: wiring -> the operations that are left
WIRINGS = {
    "a block": (lambda t, x: F.relu(t.c(F.relu(t.b(t.none(y := F.relu(t.a(x)))))) + y), ["cr", "cr", "c+r"]),
    "an activation of a sum": (lambda t, x: F.silu(t.c(F.silu(t.b(y := F.silu(t.a(x))))) + y), ["cr", "cr", "c+", "silu"]),
    "the sum turned round": (lambda t, x: t.relu((y := t.a(x)) + t.none(t.c(torch.relu(t.b(y))))), ["c", "cr", "c+r"]),
    "two blocks": (lambda t, x: t.c(z := t.b(y := t.a(x)) + y) + z, ["c", "c", "add", "c", "add"]),
    "the input is added": (lambda t, x: t.a(x) + x, ["c", "add"]),
    "a convolution of what is added": (lambda t, x: t.b(y := t.a(x)) + y, ["c", "c", "add"]),
    "a number is added": (lambda t, x: t.a(x) + 1.5, ["c", "add"]),
    "a map and itself": (lambda t, x: (y := t.a(x)) + y, ["c", "add"]),
    "looked at before the ReLU": (lambda t, x: F.relu(y := t.a(x)) * y, ["c", "relu", "mul"]),
    "two ReLUs": (lambda t, x: F.relu(F.relu(t.a(x))), ["cr", "relu"]),
    "what is added is made later": (lambda t, x: t.a(x) + t.b(t.c(x)), ["c", "c", "c+"]),
    "a pooled map is added": (lambda t, x: t.b(y := t.pool(t.a(x))) + F.relu(y), ["c", "MaxPool2d", "c", "relu", "add"]),
    "a block on a pooled map": (lambda t, x: t.c(t.b(y := t.pool(t.a(x)))) + y, ["c", "MaxPool2d", "c", "c+"]),
    "an excited map is added": (lambda t, x: F.relu((y := t.a(x)) * y.mean((2, 3), True) + t.b(x)), ["c", "mean", "mul", "c+r"]),
    "an excited map is seen": (
        lambda t, x: (z := (y := t.a(x)) * y.mean((2, 3), True)) + t.b(x) + z,
        ["c", "mean", "mul", "c", "add", "add"],
    ),
    "a view is read later": (a_view_is_read_later, ["c", "getitem", "c", "c", "add", "getitem", "add"]),
    "overwritten would be read again": (overwritten_would_be_read_again, ["c", "c", "c", "add", "c", "add"]),
}


#: an activation as a module, or what a function does
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU6": nn.ReLU6(),
    "LeakyReLU": nn.LeakyReLU(0.1, inplace=True),
    "SiLU": nn.SiLU(inplace=True),
    "Sigmoid": nn.Sigmoid(),
    "Tanh": nn.Tanh(),
    "Hardswish": nn.Hardswish(),
    "Hardsigmoid": nn.Hardsigmoid(),
    "GELU": nn.GELU("tanh"),
    "relu6": lambda x: F.relu6(x),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.3),
    "leaky_relu by name": lambda x: F.leaky_relu(x, negative_slope=0.2, inplace=True),
    "leaky_relu as it is": lambda x: F.leaky_relu(x),
    "silu": lambda x: F.silu(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "hardswish": lambda x: F.hardswish(x),
    "gelu": lambda x: F.gelu(x),
}


class Activated(nn.Module):
    """A convolution and a transposed one, each followed by ``act``; ``seen``: the second, before ``act``, is added to what comes out."""

    def __init__(self, act: Callable[[Tensor], Tensor], seen: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(8, 8, 3, padding=1), nn.ConvTranspose2d(8, 6, 4, 2, 1)
        self.act, self.seen = act, seen

    def forward_features(self, x: Tensor) -> Tensor:
        y = self.b(self.act(self.a(x)))
        return y + self.act(y) if self.seen else self.act(y)


def activated(act: Callable[[Tensor], Tensor], seen: bool = False) -> tuple[list[str], Tensor, Tensor]:
    """What is left of the network, what it computes, and what it should."""
    x = torch.randn(2, 8, 9, 7, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        want = Activated(act, seen).forward_features(x)
        packed = pack(quicken(Activated(act, seen)), x)
        assert isinstance(packed, fx.GraphModule)
        return kinds(packed.graph), packed(x), want


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_drawn_into_the_convolution_before_it_transposed_or_not(name: str) -> None:
    left, got, want = activated(ACTIVATIONS[name])
    assert left == ["cr", "cr"]
    assert torch.allclose(got, want, rtol=1e-5, atol=1e-6)


def test_an_activation_of_what_others_see_too_stays_and_so_does_a_sum_on_a_transposed_convolution() -> None:
    left, got, want = activated(lambda x: F.leaky_relu(x, 0.1), seen=True)
    assert left == ["cr", "c", "leaky_relu", "add"]
    assert torch.allclose(got, want, rtol=1e-5, atol=1e-6)


def special(conv: nn.Conv2d, size: tuple[int, ...]) -> Fused | None:
    return WinogradConvolution(conv) if suits(conv, size) and not isinstance(library(), str) else None


@pytest.mark.parametrize("channels", [8, 64])  # 64: Winograd's, where there is a C compiler
@pytest.mark.parametrize("name", WIRINGS)
def test_every_wiring_gives_the_same_and_is_fused_where_it_may_be(name: str, channels: int) -> None:
    how, left = WIRINGS[name]
    x = torch.randn(2, channels, 12, 12, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        want, kept = Toy(how, channels).forward_features(x), x.clone()
        packed = pack(quicken(Toy(how, channels)), x, special)
        assert isinstance(packed, fx.GraphModule)
        if channels == 8:
            assert torch.allclose(packed(x), want, rtol=1e-5, atol=1e-6)
        else:  # sums of 576 numbers through up to four layers, in another order
            assert float((packed(x) - want).abs().max()) < 1e-5 * float(want.abs().max())
        assert torch.equal(packed(x), packed(x)) and torch.equal(x, kept)
    assert kinds(packed.graph) == left


@pytest.fixture
def no_weights_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that nothing looks at are zeros: to draw them takes most of the time of a large network."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_", "normal_", "trunc_normal_", "uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *how, **more: tensor.data.zero_())


@pytest.mark.parametrize("name", [entry.name for entry in registry.BACKBONES.values() if "i3d" not in entry.name])
def test_what_is_left_of_a_network_of_the_registry(name: str, no_weights_drawn: None) -> None:
    entry = registry.find(name)
    options = {"sample_size": 32, "sample_duration": 16} if entry.window else {}
    shape = (2, 3, 32, 32) if entry.kind == "appearance" else (1, 3, 16, 32, 32)
    packed = pack(quicken(build(name, **options).eval()), torch.zeros(shape))
    assert isinstance(packed, fx.GraphModule)
    left = kinds(packed.graph)
    assert not {"Conv2d", "Conv3d"} & set(left)
    if "mobilenet" not in name and entry.options.get("shortcut") != "A":  # hard swish; a padded shortcut that is added as it is
        assert not {"relu", "ReLU", "add"} & set(left)
    assert any(kind.startswith("c+") for kind in left) and "cr" in left
