"""The quick dropout is a dropout."""

from __future__ import annotations

import pytest
import torch

from systems.videoqa.dropout import Dropout, dropout


@pytest.mark.parametrize("rate", [0.15, 0.18, 0.5])
@pytest.mark.parametrize("shape", [(400, 500), (7, 11, 2601)])
def test_entries_are_zeroed_at_the_rate_and_the_mean_is_kept(rate: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    out = dropout(torch.ones(shape), rate, True)
    assert abs(float((out == 0).double().mean()) - rate) < 0.005
    assert abs(float(out.double().mean()) - 1.0) < 0.01
    assert out.unique().numel() == 2
    lanes = (out.flatten()[: out.numel() // 4 * 4].view(-1, 4) == 0).double()
    assert (lanes.mean(0) - rate).abs().max() < 0.01
    assert (torch.corrcoef(lanes.T) - torch.eye(4)).abs().max() < 0.02


def test_the_gradient_passes_where_entries_were_kept() -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 50, requires_grad=True)
    out = dropout(x, 0.3, True)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(out, x * gradient)


def test_the_seed_decides_the_mask() -> None:
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropout(torch.ones(30, 7), 0.5, True))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_nothing_is_dropped_in_eval_mode_or_at_rate_zero() -> None:
    x = torch.randn(5, 5)
    assert dropout(x, 0.0, True) is x
    assert Dropout(0.5).eval()(x) is x
