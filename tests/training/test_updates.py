"""What an update does with a batch: schedules per step, clips, accumulation, a scaler, what follows a step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.training.average import follow
from models.training.clipping import each_tensor, total_norm
from models.training.result import Result
from models.training.schedules import Moment, by_batch, by_epoch, constant, cosine, staircase
from models.training.selection import LAST
from models.training.updates import Group, Learner, Update
from tests.training.conftest import Scripted

Run = Callable[..., Result]


def test_rates_and_decays_follow_their_schedules_at_every_step_and_the_curves_have_those_that_were_used(run: Run) -> None:
    task = Scripted([0.1, 0.1])
    update = task.update(lambda moment: 0.1 * (moment.step + 1), decay=lambda moment: 0.01 * moment.epoch)
    curves = run(task, update).curves
    assert (curves[0]["rate_at_first"], curves[0]["rate"]) == pytest.approx((0.1, 0.3))
    assert (curves[1]["rate_at_first"], curves[1]["rate"]) == pytest.approx((0.4, 0.6))
    assert "decay" not in curves[0] and curves[1]["decay"] == 0.01
    weight = 1.0
    for step in range(6):
        weight -= 0.1 * (step + 1) * (1 + 0.01 * (step // 3) * weight)
    assert task.weights[1] == pytest.approx(weight)


def test_the_rate_that_an_optimizer_steps_with_is_the_one_in_the_curves(run: Run) -> None:
    task, seen = Scripted([0.1]), []

    class Watched(torch.optim.SGD):
        def step(self, closure: None = None) -> None:
            seen.append(self.param_groups[0]["lr"])
            super().step(closure)

    record = run(task, task.update(cosine(0.5, 0.0, 3, warmup=1), optimizer=Watched)).curves[0]
    assert (seen[0], seen[-1]) == (record["rate_at_first"], record["rate"])


def test_the_gradient_is_clipped_to_its_total_norm(run: Run) -> None:
    task = Scripted([0.1], slope=1000.0)
    run(task, task.update(clip=total_norm(12.0)))
    assert task.weights[0] == pytest.approx(1 - 3 * 0.01 * 12, rel=1e-4)


def test_gradients_are_there_until_the_last_batch_of_a_pass() -> None:
    parameter = nn.Parameter(torch.ones(2))
    learner = Learner(Update("network", lambda epoch: [0, 1], lambda batch: (parameter.sum(), {}, 1), [Group([parameter], constant(0.1))]))
    learner.learn(0, 0, last=False)
    assert parameter.grad is not None
    learner.learn(1, 0, last=True)
    assert parameter.grad is None and float(parameter.detach()[0]) == pytest.approx(0.8)


def gradients(update: Callable[[list[nn.Parameter]], Update]) -> list[list[float]]:
    """Gradients (3,4) of one tensor and (0,12) of another after the update's clips."""
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(2)]
    wanted = [torch.tensor([3.0, 4.0]), torch.tensor([0.0, 12.0])]
    made = update(parameters)
    learner = Learner(made)
    made.loss.extend(zip(parameters, wanted))  # type: ignore[attr-defined]
    learner.learn(None, 0, last=False)
    return [parameter.grad.tolist() for parameter in parameters if parameter.grad is not None]


class Dot(list):
    """A loss whose gradient is what is wanted."""

    def __call__(self, batch: None) -> tuple[Tensor, dict[str, Tensor], int]:
        return torch.stack([(parameter * wanted).sum() for parameter, wanted in self]).sum(), {}, 1


def clipped(groups: Callable[[list[nn.Parameter]], list[Group]], **how: object) -> list[list[float]]:
    return gradients(lambda parameters: Update("n", lambda epoch: [], Dot(), groups(parameters), torch.optim.SGD, **how))


RATE = constant(0.0)


def test_clips_of_each_tensor_of_a_group_and_of_all_groups() -> None:
    together = clipped(lambda p: [Group(p, RATE, clip=each_tensor(1.0))])
    assert together == [pytest.approx([0.6, 0.8]), pytest.approx([0.0, 1.0])]
    first_only = clipped(lambda p: [Group(p[:1], RATE, clip=total_norm(1.0)), Group(p[1:], RATE)])
    assert first_only == [pytest.approx([0.6, 0.8], rel=1e-5), [0.0, 12.0]]
    whole = clipped(lambda p: [Group(p[:1], RATE), Group(p[1:], RATE)], clip=total_norm(1.0))
    assert whole == [pytest.approx([3 / 13, 4 / 13], rel=1e-5), pytest.approx([0.0, 12 / 13], rel=1e-5)]


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=5), st.floats(0.01, 100.0), st.sampled_from([0.0, 1e-6]))
def test_a_tensor_is_scaled_by_the_smaller_of_one_and_the_bound_over_its_norm(values: list[float], longest: float, epsilon: float) -> None:
    parameter = nn.Parameter(torch.zeros(len(values), dtype=torch.float64))
    parameter.grad = torch.tensor(values, dtype=torch.float64)
    norm = float(parameter.grad.norm())
    each_tensor(longest, epsilon=epsilon)([parameter, nn.Parameter(torch.zeros(1))])
    factor = min(1.0, longest / (norm + epsilon)) if norm + epsilon > 0 else 1.0
    assert parameter.grad.tolist() == pytest.approx([value * factor for value in values])


@pytest.mark.parametrize(("leftover", "steps"), [(True, 3), (False, 2)])
def test_batches_accumulate_to_a_step_and_a_remainder_makes_one_or_is_dropped(leftover: bool, steps: int, run: Run) -> None:
    task, moments = Scripted([0.1, 0.1], samples=10), []
    run(task, task.update(constant(0.3), accumulate=2, leftover=leftover, after=moments.append), LAST)
    assert [moment.batch for moment in moments] == ([1, 3, 4, 6, 8, 9] if leftover else [1, 3, 6, 8])
    assert [moment.step for moment in moments] == list(range(2 * steps))
    step = 0.3  # two halves; the remainder is half a step
    assert task.weights[0] == pytest.approx(1 - 2 * step - leftover * step / 2)


def test_accumulated_batches_take_the_step_of_one_large_batch(run: Run) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(6, 3), torch.randn(6, 1)

    def trained(size: int, accumulate: int) -> Tensor:
        torch.manual_seed(1)
        model = nn.Linear(3, 1)
        update = Update(
            "n",
            lambda epoch: list(torch.arange(6).split(size)),
            lambda batch: ((model(x[batch]) - y[batch]).square().mean(), {}, len(batch)),
            [Group(list(model.parameters()), constant(0.1))],
            accumulate=accumulate,
        )
        learner = Learner(update)
        for batch in (batches := update.batches(0)):
            learner.learn(batch, 0, last=batch is batches[-1])
        return model.weight.detach()

    assert torch.allclose(trained(6, 1), trained(2, 3), atol=1e-6)


def test_gradients_can_be_summed_and_the_first_step_can_have_fewer_batches(run: Run) -> None:
    task, moments = Scripted([0.1], samples=10), []
    run(task, task.update(constant(0.3), accumulate=2, summed=True, first=1, after=moments.append), LAST)
    assert [moment.batch for moment in moments] == [0, 2, 4]
    assert task.weights[0] == pytest.approx(1 - 5 * 0.3)  # every batch with its whole gradient


def test_a_scaler_skips_steps_that_overflow_and_clips_see_unscaled_gradients(run: Run) -> None:
    task = Scripted([0.1], slope=4.0, samples=6)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    run(task, task.update(constant(0.1), scaler=scaler, clip=total_norm(1.0)), LAST)
    assert task.weights[0] == pytest.approx(1 - 0.1, rel=1e-5)  # 4 * 2^127 and 4 * 2^126 overflow, 4 * 2^125 is clipped to 1
    assert scaler.get_scale() == 2.0**126


def test_a_moving_average_follows_every_step(run: Run) -> None:
    task = Scripted([0.1])
    teacher = nn.Linear(1, 1, bias=False).requires_grad_(False)
    nn.init.ones_(teacher.weight)
    momentum = (0.5, 0.25, 0.0)
    update = task.update(constant(0.1), after=lambda moment: follow(teacher, task.model, momentum[moment.step]))
    student = expected = 1.0
    run(task, update, LAST)
    for share in momentum:
        student -= 0.1
        expected = share * expected + (1 - share) * student
    assert float(teacher.weight) == pytest.approx(expected)


def test_schedules_by_epoch_by_batch_and_by_samples() -> None:
    assert [by_epoch(1e-4, (10, 20), 0.5)(Moment(epoch, 0, 0)) for epoch in (0, 9, 10, 19, 20, 24)] == [
        1e-4,
        1e-4,
        5e-5,
        5e-5,
        2.5e-5,
        2.5e-5,
    ]
    assert [by_batch(1.0, (3,), 0.1)(Moment(0, batch, 0)) for batch in (2, 3)] == [1.0, 0.1]
    rate = staircase(2e-4, samples=80, every=2e6, factor=0.8)
    assert [rate(Moment(0, 0, step)) for step in (0, 24_999, 25_000, 50_000)] == pytest.approx([2e-4, 2e-4, 1.6e-4, 1.28e-4])


def test_the_cosine_warms_up_in_a_line_reaches_its_value_and_ends_one_step_short() -> None:
    rate = cosine(1.0, 0.2, 10, warmup=4, start=0.1)
    values = [rate(Moment(0, 0, step)) for step in range(12)]
    assert values[:4] == pytest.approx([0.1, 0.4, 0.7, 1.0])
    assert values[4] == 1.0 and values[7] == pytest.approx(0.6) and values[9] > 0.2 == values[10] == values[11]
    assert values[4:] == sorted(values[4:], reverse=True)
    assert cosine(0.997, 1.0, 100)(Moment(0, 0, 0)) == pytest.approx(0.997)
