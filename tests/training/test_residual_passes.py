"""The passes of ``residual.c``: the numbers of their definitions in float64, for whole and cut tiles, on one thread and on several."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.training import residual_passes as passes
from models.training.residual_passes import Gradient, Normal

pytestmark = pytest.mark.usefixtures("compiled_passes")

#: images, inputs, outputs, height, width: a single cut tile; whole tiles; more than a lot of them; large filters
SHAPES = [(1, 32, 32, 3, 2), (2, 64, 32, 8, 8), (5, 32, 64, 13, 22), (3, 288, 32, 7, 7), (2, 32, 288, 5, 6)]


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


class Case:
    """Maps and filters of a convolution, and what its neighbours are."""

    def __init__(self, images: int, inputs: int, outputs: int, height: int, width: int) -> None:
        torch.manual_seed(0)
        self.weight = torch.randn(outputs, inputs, 3, 3) / (3 * inputs**0.5)
        self.x = Normal(self.map(images, inputs, height, width), *torch.randn(2, inputs))
        self.gradient = Gradient(*(self.map(images, outputs, height, width) for _ in range(2)), *torch.randn(3, outputs))
        self.y = torch.full_like(self.gradient.c, torch.nan)
        self.to_x = torch.full_like(self.x.c, torch.nan)
        self.active = normal(self.x).relu()
        g, c, a, b, d = (each.double() for each in self.gradient)
        self.dc = wide(a) * g + wide(b) * c + wide(d)

    @staticmethod
    def map(*shape: int) -> Tensor:
        return torch.randn(shape).contiguous(memory_format=torch.channels_last)

    def inputs(self) -> Tensor:
        """The gradient to the inputs."""
        return torch.nn.grad.conv2d_input(self.x.c.shape, self.weight.double(), self.dc, padding=1)


@pytest.fixture(params=SHAPES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


def wide(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]


def normal(x: Normal) -> Tensor:
    return wide(x.a) * x.c + wide(x.b)


def near(found: Tensor, wanted: Tensor) -> None:
    """Equal but for rounding: to 1e-5 of the largest entry."""
    assert float((found.double() - wanted.double()).abs().max()) <= 1e-5 * float(wanted.abs().max())


def totals(x: Tensor, y: Tensor) -> Tensor:
    x = x.double()
    return torch.stack([x.sum((0, 2, 3)), (x * y.double()).sum((0, 2, 3))])


@pytest.mark.parametrize("active", [False, True])
def test_a_convolution_reads_maps_as_they_are_or_active_and_sums_its_outputs(case: Case, active: bool) -> None:
    found = passes.forward(case.x if active else case.x.c, passes.filters(case.weight), case.y)
    wanted = F.conv2d((case.active if active else case.x.c).double(), case.weight.double(), padding=1)
    near(case.y, wanted)
    near(found, totals(wanted, wanted))


@pytest.mark.parametrize("active", [False, True])
def test_the_gradient_of_filters(case: Case, active: bool) -> None:
    found = passes.derivative(passes.to_filters(case.x if active else case.x.c, case.gradient))
    read = case.active if active else case.x.c
    near(found, torch.nn.grad.conv2d_weight(read.double(), case.weight.shape, case.dc, padding=1))


def test_the_gradient_of_inputs_and_what_is_added(case: Case) -> None:
    turned, other = passes.filters(case.weight, turned=True), Case.map(*case.x.c.shape)
    passes.inputs(case.gradient, turned, case.to_x, other=other)
    near(case.to_x, case.inputs() + other)


def test_the_gradient_of_inputs_that_were_active_is_summed_with_them(case: Case) -> None:
    turned, other = passes.filters(case.weight, turned=True), Case.map(*case.x.c.shape)
    found = passes.inputs(case.gradient, turned, case.to_x, into=case.x)
    wanted = case.inputs() * (case.active > 0)
    near(case.to_x, wanted)
    near(found, totals(wanted, case.x.c))
    active = Case.map(*case.x.c.shape).relu()  # a sum of which x is a part
    found = passes.inputs(case.gradient, turned, case.to_x, into=case.x, active=active, other=other)
    wanted = (case.inputs() + other) * (active > 0)
    near(case.to_x, wanted)
    near(found, totals(wanted, case.x.c))


def test_passes_over_pixels(case: Case) -> None:
    g, c, a, b, d = case.gradient
    near(passes.moments(c), totals(c, c))
    passes.through(case.gradient, case.y)
    near(case.y, case.dc)
    for other, active, wanted in ((g, False, g), (Normal(g, d, a), False, normal(Normal(g, d, a))), (Normal(g, d, a), True, None)):
        passes.join(Normal(c, a, b), other, case.y, active=active)
        near(case.y, (normal(Normal(c, a, b)) + (normal(Normal(g, d, a)).relu() if wanted is None else wanted)).relu())
    masked = g.clone(memory_format=torch.channels_last)
    found = passes.mask(masked, c, case.y)
    near(masked, g * (case.y > 0))
    near(found, totals(masked, c))
    near(passes.mask(masked, g), totals(masked, g))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (13, 10), (7, 9), (1, 2)])
def test_pooling_is_that_of_the_normalised_map_and_ties_go_to_the_first(height: int, width: int) -> None:
    torch.manual_seed(0)
    c = torch.randn(3, 32, height, width).round(decimals=0).contiguous(memory_format=torch.channels_last).requires_grad_()
    x = Normal(c, *torch.randn(2, 32))  # about half of the gains are negative
    wanted = F.max_pool2d(normal(x), 3, 2, 1)
    largest, g = (torch.empty_like(wanted, memory_format=torch.channels_last).normal_() for _ in range(2))
    wanted.backward(g)
    index = torch.empty(largest.shape, dtype=torch.uint8, memory_format=torch.channels_last)
    raw = Normal(c.detach().clone(memory_format=torch.channels_last), x.a, x.b)
    passes.pool(raw, largest, index)
    near(normal(Normal(largest, x.a, x.b)), wanted.detach())
    b, d = torch.randn(2, 32)
    passes.unpool(raw.c, g, index, (x.a, b, d))
    assert c.grad is not None
    near(raw.c, c.grad + wide(b) * c.detach() + wide(d))
