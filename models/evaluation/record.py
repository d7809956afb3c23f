"""An evaluation: what one replicate of a system's networks scored, in the words of that system.

A *replicate* is a seed and a fold: the report takes means and intervals over replicates, and differences within each. Whatever the
report shows is said here: columns and their units, what is counted, which curves are drawn. It knows no system.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cache.errors import DataError, nearest


@dataclass(frozen=True)
class Column:
    """A metric, or the main one over a part of the items.

    unit:   "%": scores are fractions and are shown in percent; any other is shown as it is.
    digits: shown after the point.
    items:  how many items it is over; None says nothing.
    """

    name: str
    unit: str = "%"
    digits: int = 1
    items: int | None = None


@dataclass(frozen=True)
class Score:
    """A number, and the half width of the interval that the evaluation itself has for it (:class:`Own`)."""

    value: float
    half: float | None = None


@dataclass(frozen=True)
class Row:
    """A network, or an answer that needs none (a *baseline*).

    scores:     by column; a column that it lacks is shown as a dash.
    strict:     its score in the main column if every lost item counts as wrong.
    validation: the number by which its epoch, or whatever else there was to choose, was selected; None if nothing was.
    series:     networks of one series differ in their cost only (a line in the picture of score against cost).
    costs:      by the key of a :class:`Cost`.
    about:      anything else worth keeping; the report carries it and reads nothing of it.
    """

    name: str
    label: str
    scores: Mapping[str, Score]
    strict: float | None = None
    validation: float | None = None
    series: str = ""
    costs: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """What is counted: ``scored`` of ``total``; the others were lost for want of what an item ``needs`` (a video)."""

    one: str
    total: int
    scored: int
    needs: str = ""
    many: str = ""

    @property
    def plural(self) -> str:
        """The noun for several."""
        return self.many or f"{self.one}s"


@dataclass(frozen=True)
class Own:
    """What the half widths of the scores are: intervals of ``level`` over ``n`` samples (episodes, say) of this one replicate."""

    n: int
    samples: str
    level: float = 0.95


@dataclass(frozen=True)
class Cost:
    """A kind of cost: ``head`` of its column in the table of costs, ``axis`` of the picture of score against cost; "" leaves it out.

    Values are divided by ``per`` and shown with ``digits`` after the point.
    """

    key: str
    head: str = ""
    axis: str = ""
    per: float = 1.0
    digits: int = 0


@dataclass(frozen=True)
class Panel:
    """A key of the curves that is drawn; ``unit`` "%" draws fractions as percent."""

    key: str
    title: str
    unit: str = ""
    logarithmic: bool = False


@dataclass(frozen=True)
class Sort:
    """Items worth looking at: those that the networks ``right`` all got right and the networks ``wrong`` all got wrong."""

    title: str
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """The scores of one replicate.

    metric:    what the main column measures, for the title.
    columns:   the first is the main one: strict scores, pairs and the picture of costs are of it.
    baselines: rows without interval if they are the same in every replicate, without cost and curves.
    pairs:     (first, second) names of networks whose difference is reported, replicate by replicate.
    fold:      which part of the data this is over, "" if there is but one.
    cost_note: what a reader of the costs has to know.
    sorts:     of an evaluation with predictions per item: which of them a reader is offered first.
    said_note: what a reader of the predictions has to know: what counts as right, what the numbers beside answers are.
    notes:     lines below the tables; ``flags`` are those that a reader has to know before believing them.
    """

    task: str
    metric: str
    dataset: str
    split: str
    seed: int
    columns: tuple[Column, ...]
    items: Items
    networks: tuple[Row, ...]
    baselines: tuple[Row, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    fold: str = ""
    own: Own | None = None
    costs: tuple[Cost, ...] = ()
    cost_note: str = ""
    panels: tuple[Panel, ...] = ()
    sorts: tuple[Sort, ...] = ()
    said_note: str = ""
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """Networks, then baselines."""
        return self.networks + self.baselines

    def check(self) -> None:
        """Raise DataError if it contradicts itself, or if a number is none."""
        if not self.columns or not self.networks:
            raise DataError(f"an evaluation of {self.task} has no {'network' if self.columns else 'column'}")
        columns, networks = [column.name for column in self.columns], [row.name for row in self.networks]
        _distinct("column", columns)
        _distinct("row", [row.name for row in self.rows])
        for row in self.rows:
            _known(f"a column of {row.name}", row.scores, columns)
            _known(f"a cost of {row.name}", row.costs, [cost.key for cost in self.costs])
            if columns[0] not in row.scores:
                raise DataError(f"{row.name} has no score in the main column, {columns[0]!r}")
            for what, value in _numbers(row):
                if not math.isfinite(value):
                    raise DataError(f"{what} of {row.name} is {value}", hint="the network diverged: train it again")
            if self.own is None and any(score.half is not None for score in row.scores.values()):
                raise DataError(f"the scores of {row.name} have intervals of their own, and nothing says over what")
        for pair in self.pairs:
            _known("a network of a pair", pair, networks)
        for sort in self.sorts:
            _known(f"a network of the items {sort.title!r}", sort.right + sort.wrong, networks)
        if not 0 <= self.items.scored <= self.items.total:
            raise DataError(f"{self.items.scored} of {self.items.total} {self.items.plural} cannot be scored")


def _numbers(row: Row) -> Iterator[tuple[str, float]]:
    for name, score in row.scores.items():
        yield f"the score {name!r}", score.value
        if score.half is not None:
            yield f"the interval of {name!r}", score.half
    yield from (("a cost", value) for value in row.costs.values())
    yield from ((what, value) for what, value in (("strict", row.strict), ("validation", row.validation)) if value is not None)


def _distinct(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the evaluation has the {what} {twice[0]!r} twice")


def _known(what: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise DataError(f"the evaluation has no {name!r}, {what}", hint=nearest(name, known))
