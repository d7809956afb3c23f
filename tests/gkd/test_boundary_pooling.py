"""Boundary pooling is what a loop over channels and segments gives, forward and backward."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from systems.gkd.detection.boundary_pooling import boundary_max_pooling


def edges(segment: list[float], half: int, length: int) -> tuple[int, int]:
    low, high = (min(max(math.trunc(edge), 0), length - 1) for edge in segment[2 * half : 2 * half + 2])
    return low, max(low, high)


def loop(x: Tensor, segments: Tensor, grad: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Values of the pooling and the gradient, one number at a time; the gradient reads memory as if the input had ``length`` steps."""
    batch, channels, steps = x.shape
    values, memory, found = torch.zeros(batch, channels, segments.shape[1]), x.reshape(-1), torch.zeros(x.numel())
    for b in range(batch):
        for c in range(channels):
            for k, segment in enumerate(segments[b].tolist()):
                low, high = edges(segment, int(c >= channels // 2), steps)
                values[b, c, k] = max(x[b, c, low : high + 1].tolist())
                low, high = edges(segment, int(c >= channels // 2), length)
                row = (b * channels + c) * length
                read = memory[row + low : row + high + 1].tolist()
                found[row + low + read.index(max(read))] += grad[b, c, k]
    return values, found.view_as(x)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 19), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_values_and_both_gradients_are_those_of_a_loop(
    batch: int, half: int, steps: int, count: int, ties: bool, published: bool, seed: int
) -> None:
    count = min(count, steps) if published else count
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 2 * half, steps, generator=generator)
    x = (x.round() if ties else x).requires_grad_()
    segments = torch.randn(batch, count, 4, generator=generator) * steps
    grad = torch.randn(batch, 2 * half, count, generator=generator)
    pooled = boundary_max_pooling(x, segments, "published" if published else "true")
    pooled.backward(grad)
    values, wanted = loop(x.detach(), segments, grad, count if published else steps)
    assert torch.equal(pooled, values)
    assert x.grad is not None
    torch.testing.assert_close(x.grad, wanted)


def test_the_published_gradient_differs_unless_there_are_as_many_segments_as_steps() -> None:
    segments = torch.rand(1, 6, 4) * 9
    x, same = torch.randn(1, 4, 9, requires_grad=True), torch.randn(1, 4, 6, requires_grad=True)
    for given_x, differs in ((x, True), (same, False)):
        gradients = [torch.autograd.grad(boundary_max_pooling(given_x, segments, g).sum(), given_x)[0] for g in ("true", "published")]
        assert torch.equal(*gradients) is not differs


def test_the_gradient_is_right_in_float64() -> None:
    x = torch.randn(2, 4, 7, dtype=torch.float64, requires_grad=True)
    segments = torch.rand(2, 5, 4, dtype=torch.float64) * 7
    assert torch.autograd.gradcheck(lambda value: boundary_max_pooling(value, segments), (x,))


@pytest.mark.parametrize("edge", [math.nan, math.inf, -math.inf, 1e30])
def test_segments_without_bounds_reach_the_ends_and_never_leave_the_feature(edge: float) -> None:
    x = torch.arange(10.0).view(1, 2, 5)
    segments = torch.tensor([[[0.0, edge, edge, 0.0]]])
    pooled = boundary_max_pooling(x, segments)
    reaches = edge > 0
    assert pooled.flatten().tolist() == [4.0 if reaches else 0.0, 9.0 if reaches else 5.0]


def test_half_precision_is_pooled_as_it_is() -> None:
    x, segments = torch.randn(1, 2, 8, dtype=torch.bfloat16), torch.tensor([[[0.0, 3.0, 2.0, 7.0]]])
    assert boundary_max_pooling(x, segments).flatten().tolist() == [float(x[0, 0, :4].max()), float(x[0, 1, 2:].max())]


def test_what_does_not_fit_is_refused() -> None:
    x, segments = torch.randn(1, 4, 3), torch.zeros(1, 5, 4)
    with pytest.raises(ValueError, match=r"more segments \(5\) than steps \(3\)"):
        boundary_max_pooling(x, segments, "published")
    with pytest.raises(ValueError, match="even C"):
        boundary_max_pooling(x[:, :3], segments)
    with pytest.raises(ValueError, match="even C"):
        boundary_max_pooling(x, segments[..., :2])
