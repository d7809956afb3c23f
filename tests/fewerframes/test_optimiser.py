"""Adam of the originals."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from systems.fewerframes.optimiser import TFAdam


def test_steps_follow_the_formula_with_epsilon_before_the_bias_correction() -> None:
    gradient, epsilon = 1e-6, 1e-3  # a large epsilon tells the two forms apart
    parameter = nn.Parameter(torch.ones(1))
    optimizer = TFAdam([parameter], lr=0.1, epsilon=epsilon)
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
        optimizer = TFAdam(model.parameters(), lr=0.01, epsilon=1e-2)
        for step in range(6):
            if interrupted and step == 3:
                saved = copy.deepcopy(optimizer.state_dict())
                optimizer = TFAdam(model.parameters(), lr=0.01, epsilon=1e-2)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            model(torch.ones(2, 4)).square().sum().backward()
            optimizer.step()
        return model.weight.detach()

    assert torch.equal(trained(False), trained(True))


def test_a_parameter_that_rests_does_not_hold_up_the_others() -> None:
    def moved(with_one_that_rests: bool) -> float:
        resting, parameter = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        optimizer = TFAdam([resting, parameter] if with_one_that_rests else [parameter], lr=0.1, epsilon=1e-3)
        for step in range(4):
            resting.grad = torch.ones(1) if step == 0 else None
            parameter.grad = torch.full((1,), 1e-4)
            optimizer.step()
        return float(parameter.detach())

    assert moved(True) == moved(False)
