"""Numbers that change while a network trains: learning rates, weight decays, momenta of averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Moment(NamedTuple):
    """Where an update stands, all from 0: the epoch, the batches that it has seen, and the steps that its optimizer has taken."""

    epoch: int
    batch: int
    step: int


Schedule = Callable[[Moment], float]


def constant(value: float) -> Schedule:
    """Always ``value``."""
    return lambda moment: value


def by_epoch(value: float, epochs: Sequence[int], factor: float) -> Schedule:
    """``value``, multiplied by ``factor`` once ``epochs[i]`` epochs are done."""
    return lambda moment: value * factor ** sum(moment.epoch >= epoch for epoch in epochs)


def by_batch(value: float, batches: Sequence[int], factor: float) -> Schedule:
    """``value``, multiplied by ``factor`` once ``batches[i]`` batches are done, whether each made a step or not."""
    return lambda moment: value * factor ** sum(moment.batch >= batch for batch in batches)


def staircase(value: float, *, samples: int, every: float, factor: float) -> Schedule:
    """``value``, multiplied by ``factor`` after every ``every`` samples, ``samples`` of them a step."""
    return lambda moment: value * factor ** math.floor(moment.step * samples / every)


def cosine(value: float, final: float, steps: int, *, warmup: int = 0, start: float = 0.0) -> Schedule:
    """From ``start`` to ``value`` in a line over the first ``warmup`` steps (both ends are reached), then half a cosine towards ``final``.

    Of ``steps`` steps in all; the last is one short of ``final``, as in DINO and what follows it. Later steps have ``final``.
    """

    def of(moment: Moment) -> float:
        if moment.step < warmup:
            return start + (value - start) * moment.step / max(warmup - 1, 1)
        done = min((moment.step - warmup) / max(steps - warmup, 1), 1.0)
        return final + 0.5 * (value - final) * (1 + math.cos(math.pi * done))

    return of
