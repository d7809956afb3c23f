"""The convolution over repeated steps gives what it gives over all positions."""

import pytest
import torch
from torch.nn import functional as F

from systems.gkd.attention import Unit1d, stretched


@pytest.mark.parametrize(("steps", "length"), [(1, 1), (1, 5), (8, 1024), (64, 832), (5, 13), (7, 7), (9, 4), (6, 12)])
def test_values_and_gradients_are_those_of_the_whole_convolution(steps: int, length: int) -> None:
    torch.manual_seed(0)
    unit, x = Unit1d(6, 4, 3).double(), torch.randn(2, 6, steps, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(2, 4, length, dtype=torch.float64)
    leaves = [x, *unit.parameters()]
    whole, short = unit(F.interpolate(x, length, mode="nearest")), stretched(unit.conv1d, x, length)
    torch.testing.assert_close(short, whole)
    for one, other in zip(torch.autograd.grad(short, leaves, grad), torch.autograd.grad(whole, leaves, grad), strict=True):
        torch.testing.assert_close(one, other)


def test_it_computes_few_positions() -> None:
    seen: list[int] = []
    unit = Unit1d(2, 3, 3)
    with torch.inference_mode():
        original = F.conv1d

        def counted(x: torch.Tensor, *arguments: object, **options: object) -> torch.Tensor:
            seen.append(x.shape[-1] // 3)
            return original(x, *arguments, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(F, "conv1d", counted)
            stretched(unit.conv1d, torch.randn(1, 2, 8), 1024)
    assert seen == [24]


def test_what_was_first_asked_for_without_gradients_serves_a_training() -> None:
    unit, x = Unit1d(2, 3, 3), torch.randn(1, 2, 11, requires_grad=True)
    with torch.inference_mode():
        stretched(unit.conv1d, x, 77)
    stretched(unit.conv1d, x, 77).sum().backward()
    assert x.grad is not None
