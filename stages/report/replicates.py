"""The evaluations of a report as replicates: ordered by seed and fold, of one kind, every seed with every fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from cache.errors import DataError
from models.evaluation.record import Evaluation


@dataclass(frozen=True)
class Replicates:
    """Seeds and folds in order, every one once; ``folds`` is empty if the data have none."""

    seeds: list[int]
    folds: list[str]

    @classmethod
    def of(cls, evaluations: Iterable[Evaluation]) -> Replicates:
        """Those of some evaluations in order."""
        found = [(evaluation.seed, evaluation.fold) for evaluation in evaluations]
        return cls(list(dict.fromkeys(seed for seed, _ in found)), list(dict.fromkeys(fold for _, fold in found if fold)))

    @property
    def kind(self) -> str:
        """What tells them apart: a seed, a fold, or both."""
        if len(self.folds) < 2:
            return "seed"
        return "fold" if len(self.seeds) < 2 else "replicate"

    def __str__(self) -> str:
        seeds = _counted(self.seeds, "seed")
        if not self.folds:
            return seeds
        folds = _counted(self.folds, "fold")
        if len(self.seeds) == 1:
            return f"{folds} of seed {self.seeds[0]}"
        return f"{len(self.seeds) * len(self.folds)} replicates: {seeds} × {folds}"


def in_order(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Sort by seed and fold. Raises DataError if they are not replicates of one experiment."""
    ordered = sorted(evaluations, key=lambda evaluation: (evaluation.seed, _as_number(evaluation.fold)))
    if not ordered:
        raise DataError("there is no evaluation to report", hint="kdpipe evaluate")
    first = _experiment(ordered[0])
    for evaluation in ordered[1:]:
        for what, value in _experiment(evaluation).items():
            if first.get(what, value) != value:
                raise DataError(
                    f"{_name(ordered[0])} and {_name(evaluation)} are no replicates: their {what}: {first[what]!r} and {value!r}"
                )
    there = [(evaluation.seed, evaluation.fold) for evaluation in ordered]
    for evaluation, place in zip(ordered, there):
        if there.count(place) > 1:
            raise DataError(f"there are two evaluations of {_name(evaluation)}")
    for seed, fold in product({seed for seed, _ in there}, {fold for _, fold in there}):
        if (seed, fold) not in there:
            raise DataError(f"seed {seed} has no evaluation of fold {fold!r}: its mean is over other data than that of another seed")
    return ordered


def told(evaluations: Sequence[Evaluation], lines: Sequence[Sequence[str]]) -> list[str]:
    """The ``lines`` of all evaluations in order, each once; one that not all have says whose it is."""
    found = []
    for evaluation, mine in zip(evaluations, lines, strict=True):
        found += [line if all(line in other for other in lines) else f"{_name(evaluation)}: {line}" for line in mine]
    return list(dict.fromkeys(found))


def _experiment(evaluation: Evaluation) -> dict[str, Any]:
    """What replicates have in common: ``{what it is called: value}``."""
    facts = {what: getattr(evaluation, what) for what in ("task", "metric", "dataset", "split")}
    facts["main column"] = evaluation.columns[0].name
    facts["networks"] = [(row.name, row.label, row.series) for row in evaluation.networks]
    facts["baselines"] = [(row.name, row.label) for row in evaluation.baselines]
    facts["pairs"], facts["interval"] = evaluation.pairs, evaluation.own
    return facts | {f"unit of {column.name}": column.unit for column in evaluation.columns}


def _name(evaluation: Evaluation) -> str:
    return f"seed {evaluation.seed}" + (f", fold {evaluation.fold}" if evaluation.fold else "")


def _as_number(fold: str) -> tuple[int, str]:
    return (int(fold) if fold.isdecimal() else 0, fold)


def _counted(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'} ({', '.join(map(str, things))})"
