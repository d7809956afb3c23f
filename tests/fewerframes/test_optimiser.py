"""Adam, clipping and the staircase of the originals."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from systems.fewerframes.optimiser import TFAdam, clip_each, staircase


def test_every_tensor_is_clipped_on_its_own() -> None:
    long, short = (nn.Parameter(torch.zeros(2)) for _ in range(2))
    long.grad, short.grad = torch.tensor([3.0, 4.0]), torch.tensor([0.3, 0.4])
    clip_each([long, short, nn.Parameter(torch.zeros(1))], 1.0)
    assert torch.allclose(long.grad, torch.tensor([0.6, 0.8])) and torch.equal(short.grad, torch.tensor([0.3, 0.4]))


def test_the_rate_falls_by_samples_seen() -> None:
    rates = [staircase(2e-4, step, samples=80, every=2e6, decay=0.8) for step in (0, 24_999, 25_000, 50_000)]
    assert rates == pytest.approx([2e-4, 2e-4, 1.6e-4, 1.28e-4])


def test_steps_follow_the_formula_with_epsilon_before_the_bias_correction() -> None:
    gradient, epsilon = 1e-6, 1e-3  # a large epsilon tells the two forms apart
    parameter = nn.Parameter(torch.ones(1))
    optimizer = TFAdam([parameter], 0.1, epsilon=epsilon)
    m = v = 0.0
    value = 1.0
    for t in range(1, 4):
        parameter.grad = torch.full((1,), gradient)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        value -= 0.1 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * m / (v**0.5 + epsilon)
    assert float(parameter.detach()) - 1.0 == pytest.approx(value - 1.0, rel=1e-3)


def test_a_resumed_optimizer_takes_the_same_steps() -> None:
    def trained(interrupted: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(4, 3)
        optimizer = TFAdam(model.parameters(), 0.01, clip=1.0, samples=10, every=20, decay=0.5)
        for step in range(6):
            if interrupted and step == 3:
                saved = copy.deepcopy(optimizer.state_dict())
                optimizer = TFAdam(model.parameters(), 0.01, clip=1.0, samples=10, every=20, decay=0.5)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            model(torch.ones(2, 4)).square().sum().backward()
            optimizer.step()
        return model.weight.detach()

    assert torch.equal(trained(False), trained(True))


def test_the_rate_in_the_group_stays_the_one_of_the_first_step() -> None:
    parameter = nn.Parameter(torch.ones(1))
    optimizer = TFAdam([parameter], 0.1, samples=1, every=1, decay=0.5)
    moved = []
    for _ in range(3):
        before = float(parameter.detach())
        parameter.grad = torch.ones(1)
        optimizer.step()
        moved.append(before - float(parameter.detach()))
        assert optimizer.param_groups[0]["lr"] == 0.1
    assert moved == pytest.approx([0.1, 0.05, 0.025], rel=1e-3)
