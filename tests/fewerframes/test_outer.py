"""A gradient that is left as two factors moves its weights as the whole gradient does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from models.training.clipping import each_tensor
from systems.fewerframes import outer
from systems.fewerframes.optimiser import ClippedTFAdam, TFAdam
from systems.fewerframes.outer import Factors, keep_factors, product, take_factors


class Network(nn.Module):
    """A product of few rows with a large matrix, and other parameters behind it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.large = nn.Parameter(torch.randn(40, 24))
        self.after = nn.Linear(24, 3)
        self.resting = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.after(torch.tanh(product(x, self.large))).square().sum()


def rows(step: int) -> Tensor:
    return torch.randn(5, 40, generator=torch.Generator().manual_seed(step))


def trained(clipped: bool, longest: float, network: Network | None = None, *, steps: int = 4, interrupted: bool = False) -> Network:
    """After some steps of one of the two optimisers; ``interrupted``: taken up from a checkpoint before the third."""
    network = network or Network()

    def optimiser(of: Network) -> TFAdam:
        return ClippedTFAdam(of.parameters(), lr=0.01, longest=longest) if clipped else TFAdam(of.parameters(), lr=0.01)

    adam, clip = optimiser(network), each_tensor(longest)
    for step in range(steps):
        if interrupted and step == 2:
            saved, network = copy.deepcopy(adam.state_dict()), copy.deepcopy(network)
            adam = optimiser(network)
            adam.load_state_dict(saved)
        adam.zero_grad()
        network(rows(step)).backward()
        assert (network.large.grad is None) == clipped
        if not clipped:
            clip(list(network.parameters()))
        adam.step()
    return network


def test_factors_have_the_norm_and_the_parts_of_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outer, "PART", 7 * 6 * 4)
    left, right = torch.randn(3, 20), torch.randn(3, 6)
    factors, gradient = Factors(left, right), left.t() @ right
    assert torch.allclose(factors.norm(), gradient.norm(), rtol=1e-5)
    parts = list(factors.parts())
    assert [len(values) for _, values in parts] == [7, 7, 6]
    found = torch.zeros(20, 6)
    for here, values in parts:
        found[here] += values
    assert torch.allclose(found, gradient, atol=1e-6)


def test_the_norm_of_rows_that_cancel_is_that_of_the_gradient() -> None:
    left = torch.randn(1, 50).expand(2, 50) + 1e-3 * torch.randn(2, 50)
    right = torch.randn(1, 8) * torch.tensor([[1.0], [-1.0]])
    assert torch.allclose(Factors(left, right).norm(), (left.double().t() @ right.double()).norm().float(), rtol=1e-5)


@pytest.mark.parametrize("longest", [0.05, 1e6])
def test_clipping_while_moving_ends_where_clipping_before_does(longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outer, "PART", 7 * 24 * 4)
    plain, found, start = trained(False, longest), trained(True, longest), Network()
    for (name, a), (_, b) in zip(plain.named_parameters(), found.named_parameters()):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6), name
    assert not torch.equal(start.large, found.large) and torch.equal(start.resting, found.resting)


def test_a_killed_training_goes_on_to_the_same_bits() -> None:
    whole, resumed = trained(True, 0.05), trained(True, 0.05, interrupted=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters()))


def test_both_optimisers_have_the_same_state() -> None:
    states = []
    for kind in (TFAdam, lambda of: ClippedTFAdam(of, longest=1e6)):
        network = Network()
        adam = kind(network.parameters())
        network(rows(0)).backward()
        adam.step()
        states.append(adam.state_dict())
    assert states[0]["param_groups"] == states[1]["param_groups"] and states[0]["state"].keys() == states[1]["state"].keys()
    for number, state in states[0]["state"].items():
        assert state.keys() == states[1]["state"][number].keys()
        assert all(torch.allclose(value, states[1]["state"][number][name], rtol=1e-4, atol=1e-7) for name, value in state.items())


def test_two_products_of_one_matrix_leave_one_gradient() -> None:
    weight = nn.Parameter(torch.randn(40, 24))
    (expected,) = torch.autograd.grad((rows(0) @ weight).sin().sum() + (rows(1) @ weight).sum(), weight)
    keep_factors([weight])
    (product(rows(0), weight).sin().sum() + product(rows(1), weight).sum()).backward()
    factors = take_factors(weight)
    assert factors is not None and weight.grad is None and take_factors(weight) is None
    assert torch.allclose(factors.left.t() @ factors.right, expected, atol=1e-5)


def test_a_product_in_parts_has_the_values_and_gradients_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outer, "PART", 7 * 24 * 4)
    weight, x = nn.Parameter(torch.randn(40, 24)), rows(0).requires_grad_()
    expected = x @ weight
    (to_x,) = torch.autograd.grad(expected.sin().sum(), x)
    keep_factors([weight])
    found = product(x, weight)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(torch.autograd.grad(found.sin().sum(), x)[0], to_x, atol=1e-4)


def test_a_matrix_of_few_numbers_a_row_keeps_its_gradient() -> None:
    weight = nn.Parameter(torch.randn(40, 24))
    keep_factors([weight])
    product(torch.randn(7, 40), weight).sum().backward()
    assert weight.grad is not None and take_factors(weight) is None


def test_what_is_forgotten_does_not_move() -> None:
    network = Network()
    adam = ClippedTFAdam(network.parameters(), longest=1.0)
    network(rows(0)).backward()
    adam.zero_grad()
    before = network.large.detach().clone()
    adam.step()
    assert torch.equal(network.large, before)


def test_a_gradient_beside_factors_is_refused() -> None:
    network = Network()
    adam = ClippedTFAdam(network.parameters(), longest=1.0)
    (network(rows(0)) + network.large.sum()).backward()
    with pytest.raises(RuntimeError, match="beside the factors"):
        adam.step()
