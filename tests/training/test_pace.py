"""Checkpoints take a small share of the time, however much one costs and however short an epoch is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.training.pace import Pace


@given(st.floats(0.01, 100.0), st.floats(0.001, 1000.0), st.integers(1, 50))
def test_after_the_first_they_take_at_most_two_percent(cost: float, step: float, epoch: int) -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    spent: list[float] = []
    for number in range(1, 400):
        now += step
        if pace.due(between=number % epoch == 0):
            with pace.saving():
                now += cost
            spent.append(cost)
        assert sum(spent) <= 0.02 * now or len(spent) == 1


def test_a_cheap_one_is_written_after_every_epoch_and_twice_a_minute() -> None:
    now = 0.0
    pace = Pace(clock=lambda: now)
    written = []
    for number in range(1, 241):
        now += 1.0
        if pace.due(between=number % 100 == 0):
            written.append(number)
            with pace.saving():
                now += 2**-10
    assert written == [31, 62, 93, 100, 131, 162, 193, 200, 231]
