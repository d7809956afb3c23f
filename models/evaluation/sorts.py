"""The items that a reader of a distillation is offered first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.evaluation.record import Sort


def distilled_against(labels: Mapping[str, str], teacher: str, distilled: str, alone: str) -> tuple[Sort, ...]:
    """What a teacher has over its student, and what distillation gains and costs; ``labels`` are those of all networks that there are.

    A sort of a network that is not there is left out.
    """
    pairs = ((teacher, distilled), (distilled, alone), (alone, distilled))
    there = [pair for pair in pairs if set(pair) <= labels.keys()]
    return tuple(Sort(f"{labels[right]} right, {labels[wrong]} wrong", (right,), (wrong,)) for right, wrong in there)


def all_wrong(names: Iterable[str]) -> Sort:
    """What none of these networks can do."""
    return Sort("all wrong", wrong=tuple(names))
