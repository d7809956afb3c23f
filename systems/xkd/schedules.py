"""Schedules that only this system has; its cosines are those of :mod:`models.training.schedules` (spec 7, 10.4 to 10.6)."""

from __future__ import annotations

from collections.abc import Sequence

from models.training.schedules import Moment, Schedule


def ramp(start: float, end: float, epochs: int = 30) -> Schedule:
    """A teacher's temperature: from ``start`` to ``end`` in a line over ``epochs`` epochs (both ends are reached), then ``end``."""

    def of(moment: Moment) -> float:
        done = min(moment.epoch / max(epochs - 1, 1), 1.0)
        return float(start + (end - start) * done)

    return of


def warmed(then: Schedule, value: float, steps: int, start: float = 0.0) -> Schedule:
    """From ``start`` to ``value`` in a line over the first ``steps`` steps (both ends are reached), then what ``then`` says."""

    def of(moment: Moment) -> float:
        if moment.step < steps:
            return float(start + (value - start) * moment.step / max(steps - 1, 1))
        return float(then(moment))

    return of


def milestones(value: float, steps: Sequence[int], factor: float) -> Schedule:
    """``value``, multiplied by ``factor`` once ``steps[i]`` steps are done."""
    return lambda moment: float(value * factor ** sum(moment.step >= step for step in steps))
