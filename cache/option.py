"""One parameter of a stage's params record: its default, what it means, which values it can have, and when it counts.

Everything said of a parameter is a plain value, so that it stays out of the code fingerprint (:mod:`cache.declarations`).
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

P = TypeVar("P")

#: Settings of a record: name of a parameter -> some of its values.
Settings = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Range:
    """The numbers that a parameter can be: bounds that belong to it or not, and what it must be a multiple of; always finite."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    multiple_of: int = 1

    def __contains__(self, value: float) -> bool:
        low = (self.at_least is None or value >= self.at_least) and (self.above is None or value > self.above)
        high = (self.at_most is None or value <= self.at_most) and (self.below is None or value < self.below)
        finite = -sys.float_info.max <= value <= sys.float_info.max
        return low and high and finite and (self.multiple_of == 1 or value % self.multiple_of == 0)

    def __str__(self) -> str:
        bounds = (("at least", self.at_least), ("above", self.above), ("at most", self.at_most), ("below", self.below))
        words = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
        return (words or "finite") + (f", a multiple of {self.multiple_of}" if self.multiple_of > 1 else "")


def option(
    default: Any,
    doc: str = "",
    *,
    keyed: bool = True,
    choices: tuple[Any, ...] = (),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    multiple_of: int = 1,
    distinct: bool = False,
    no_more_than: str = "",
    when: Settings | None = None,
    unless: tuple[Settings, ...] = (),
) -> Any:
    """Declare one parameter of a stage's params record.

    ``keyed=False`` marks a parameter that cannot change the result (a tolerance, a batch size of a pure function):
    it stays out of the key. ``choices`` are the values that the configuration accepts.

    A number, and each number of a list, is within the bounds ``at_least`` or ``above``, ``at_most`` or ``below``, and a multiple of
    ``multiple_of``. Of a text, ``at_most`` is its length. A list that is ``distinct`` holds nothing twice. ``no_more_than`` names a
    parameter of the record that the number may not exceed.

    A parameter that matters under some settings only says so: it counts ``when`` every parameter named there has one of the values named
    there, and does not count where all those of one of ``unless`` have; names that the record does not have are passed over. One that does
    not count has its default, whatever is configured (:func:`settled`).
    """
    allowed = {"choices": choices, "range": Range(at_least, above, at_most, below, multiple_of), "distinct": distinct}
    counts = {"no_more_than": no_more_than, "when": when or {}, "unless": unless}
    return field(default=default, metadata={"doc": doc, "keyed": keyed, **allowed, **counts})


@functools.cache
def _about(cls: type[Any]) -> dict[str, Mapping[str, Any]]:
    """What a declaration says of each of its parameters."""
    return {f.name: f.metadata for f in dataclasses.fields(cls)}


def idle_because(params: Any, name: str) -> dict[str, Any]:
    """The settings of ``params`` because of which the parameter ``name`` cannot matter; empty if it counts."""
    about = _about(type(params))  # type: ignore[arg-type]
    for wanted, settings in [(True, about[name].get("when", {})), *((False, one) for one in about[name].get("unless", ()))]:
        values = {other: getattr(params, other) for other in settings if other in about}
        fitting = {other: value for other, value in values.items() if value in settings[other]}
        if wanted and fitting != values:
            return {other: value for other, value in values.items() if other not in fitting}
        if not wanted and fitting == values:
            return values
    return {}


def settled(params: P, keep: tuple[str, ...] = ()) -> P:
    """The record with every parameter that does not count at its default, those of ``keep`` as they are."""
    fields = {f.name: f for f in dataclasses.fields(params) if f.name not in keep}  # type: ignore[arg-type]
    while True:
        idle = {name: f.default for name, f in fields.items() if getattr(params, name) != f.default and idle_because(params, name)}
        if not idle:
            return params
        first = {name: default for name, default in idle.items() if not idle.keys() & _speaks_of(fields[name])}
        params = dataclasses.replace(params, **(first or idle))  # type: ignore[type-var]


def _speaks_of(parameter: dataclasses.Field[Any]) -> set[str]:
    return {other for settings in (parameter.metadata.get("when", {}), *parameter.metadata.get("unless", ())) for other in settings}
