"""Correlation, warping and norm of FlowNet 2.0 against their definitions, and where they meet borders and numbers that are none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.experts.flownet2_operators import channelnorm, correlation, resample2d


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_definition(f1: Tensor, f2: Tensor, pad: int, kernel: int, reach: int, stride1: int, stride2: int) -> Tensor:
    """Place by place, in float64; beyond the padding there are zeros too."""
    radius, r = (kernel - 1) // 2, reach // stride2
    batch, channels, height, width = f1.shape
    rows, columns = (-(-(n + 2 * pad - 2 * (radius + reach)) // stride1) for n in (height, width))
    out = torch.zeros(batch, (2 * r + 1) ** 2, rows, columns, dtype=torch.float64)

    def at(f: Tensor, y: int, x: int) -> Tensor:
        inside = 0 <= y < height and 0 <= x < width
        return f[:, :, y, x].double() if inside else torch.zeros(batch, channels, dtype=torch.float64)

    window = range(-radius, radius + 1)
    for n, (j, i) in enumerate((j, i) for j in range(-r, r + 1) for i in range(-r, r + 1)):
        for oy in range(rows):
            for ox in range(columns):
                y, x = oy * stride1 + reach - pad, ox * stride1 + reach - pad
                pairs = ((at(f1, y + v, x + u), at(f2, y + v + stride2 * j, x + u + stride2 * i)) for v in window for u in window)
                out[:, n, oy, ox] = sum((a * b).sum(1) for a, b in pairs) / (kernel**2 * channels)
    return out


@pytest.mark.parametrize(
    ("pad", "kernel", "reach", "stride1", "stride2"),
    [(4, 1, 4, 1, 2), (2, 1, 2, 1, 1), (3, 1, 3, 1, 3), (5, 3, 4, 2, 2), (1, 1, 4, 1, 2), (6, 1, 4, 1, 2), (4, 3, 3, 1, 2)],
)
def test_correlation_is_what_it_is_defined_as(pad: int, kernel: int, reach: int, stride1: int, stride2: int) -> None:
    f1, f2 = random(2, 3, 9, 12), random(2, 3, 9, 12, seed=1)
    got = correlation(f1, f2, pad, kernel, reach, stride1, stride2)
    want = by_definition(f1, f2, pad, kernel, reach, stride1, stride2)
    assert got.shape == want.shape
    assert torch.allclose(got.double(), want, atol=1e-6)


def test_correlation_has_the_horizontal_displacement_as_the_fast_index_and_looks_right_if_it_is_positive() -> None:
    f1, f2 = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    f1[0, 0, 3, 2] = f2[0, 0, 3, 6] = 1.0  # four to the right: two steps
    maps = correlation(f1, f2)
    assert maps.shape == (1, 441, 8, 8)
    assert maps.nonzero().tolist() == [[0, 220 + 2, 3, 2]]


def test_gradients_of_correlation_are_those_of_its_definition() -> None:
    f1, f2 = random(1, 2, 5, 6).double().requires_grad_(), random(1, 2, 5, 6, seed=1).double().requires_grad_()
    weights = random(1, 9, 5, 6, seed=2)
    (correlation(f1, f2, 2, 1, 2, 1, 2) * weights).sum().backward()
    ours = f1.grad, f2.grad
    f1.grad = f2.grad = None
    (by_definition_differentiable(f1, f2) * weights).sum().backward()
    assert all(a is not None and b is not None and torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, (f1.grad, f2.grad)))


def by_definition_differentiable(f1: Tensor, f2: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(f2, (2, 2, 2, 2))
    return torch.stack([(f1 * padded[:, :, j : j + 5, i : i + 6]).mean(1) for j in (0, 2, 4) for i in (0, 2, 4)], 1)


def test_a_warp_by_whole_pixels_moves_the_picture_and_repeats_its_border() -> None:
    image = random(1, 3, 5, 7)
    flow = torch.zeros(1, 2, 5, 7)
    flow[:, 0], flow[:, 1] = 2.0, -1.0
    rows, columns = torch.arange(5).sub(1).clamp(0), torch.arange(7).add(2).clamp(max=6)
    assert torch.allclose(resample2d(image, flow), image[:, :, rows][:, :, :, columns], atol=1e-5)
    assert torch.equal(resample2d(image, flow, bilinear=False), image[:, :, rows][:, :, :, columns])


def test_a_warp_is_the_same_with_gradients_and_without() -> None:
    image, flow = random(2, 3, 9, 11), 20 * random(2, 2, 9, 11, seed=1)
    with_gradients = resample2d(image, flow.clone().requires_grad_())
    assert with_gradients.requires_grad
    assert torch.allclose(resample2d(image, flow), with_gradients, atol=1e-4)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("gradients", [False, True])
def test_a_flow_that_is_no_number_or_huge_stays_in_its_pixel(wrong: float, gradients: bool) -> None:
    image, flow = random(1, 2, 4, 5), torch.zeros(1, 2, 4, 5)
    flow[0, 0, 2, 3] = wrong
    warped = resample2d(image, flow.requires_grad_(gradients)).detach()
    away = (warped - image).abs() > 1e-5
    assert not away[:, :, :2].any() and not away[0, :, 2, :3].any()


def test_the_gradient_of_a_flow_beyond_the_border_is_zero() -> None:
    flow = torch.full((1, 2, 4, 5), 50.0, requires_grad=True)
    resample2d(random(1, 3, 4, 5), flow).sum().backward()
    assert flow.grad is not None and not flow.grad.any()


def test_the_norm_is_the_length_of_the_channels_and_its_gradient_at_zero_is_zero() -> None:
    x = random(2, 3, 4, 5)
    x[0, :, 1, 2] = 0.0
    x.requires_grad_()
    length = channelnorm(x)
    assert torch.allclose(length, x.square().sum(1, keepdim=True).sqrt())
    length.sum().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all() and not x.grad[0, :, 1, 2].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_and_given_back_in_half(dtype: torch.dtype) -> None:
    f1, f2 = random(1, 4, 6, 8).to(dtype), random(1, 4, 6, 8, seed=1).to(dtype)
    flow = (3 * random(1, 2, 6, 8, seed=2)).to(dtype)
    for half, full in (
        (correlation(f1, f2), correlation(f1.float(), f2.float())),
        (resample2d(f1, flow), resample2d(f1.float(), flow.float())),
        (channelnorm(f1), channelnorm(f1.float())),
    ):
        assert half.dtype == dtype and torch.equal(half, full.to(dtype))
