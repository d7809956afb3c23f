"""Every parameter of a stage, read from its declaration: default, meaning, which values it can have, when it counts, what it is now."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cache.option import Range, Settings, idle_because
from cache.stage import Node
from pipeline.config import Config

#: What a parameter is, by its type as it is written.
KINDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Parameter:
    """One parameter. ``now``: section -> its value under the present settings, of sections where it counts and is set by nobody else.

    decided: sections where the graph decides it. idle: sections where it cannot matter -> because of which settings.
    """

    name: str
    kind: str
    default: Any
    meaning: str
    choices: tuple[Any, ...] = ()
    bounds: str = ""
    counts: tuple[str, ...] = ()
    keyed: bool = True
    now: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    decided: tuple[str, ...] = ()
    idle: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


def parameters(record: type, nodes: Iterable[Node] = (), config: Config | None = None) -> list[Parameter]:
    """The parameters of a record in their order; what they are now in those ``nodes`` whose parameters are such a record."""
    hints = typing.get_type_hints(record)
    found = {config.section(node.name): node.params for node in nodes if config is not None and type(node.params) is record}
    return [_parameter(field, hints[field.name], found, config) for field in dataclasses.fields(record)]


def _parameter(field: dataclasses.Field[Any], hint: Any, found: Mapping[str, Any], config: Config | None) -> Parameter:
    about, name = field.metadata, field.name
    decided = tuple(section for section in found if config is not None and config.decided(section, name))
    open_to = {section: params for section, params in found.items() if section not in decided}
    idle = {section: because for section, params in open_to.items() if (because := idle_because(params, name))}
    return Parameter(
        name,
        kind_of(hint),
        field.default,
        about.get("doc", ""),
        about.get("choices", ()),
        _bounds(hint, about),
        _counts(about),
        about.get("keyed", True),
        {section: getattr(params, name) for section, params in open_to.items() if section not in idle},
        decided,
        idle,
    )


def kind_of(hint: Any) -> str:
    """A type as people say it: ``"whole number"``, ``"list of texts"``, ``"number or null"``."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return f"list of {KINDS.get(arguments[0], str(arguments[0]))}s"
    if type(None) in arguments:
        return " or ".join([*(KINDS.get(one, str(one)) for one in arguments if one is not type(None)), "null"])
    return KINDS.get(hint, str(hint))


def _bounds(hint: Any, about: Mapping[str, Any]) -> str:
    """What its values are held to, "" if nothing is said."""
    within: Range = about.get("range", Range())
    words = [] if within == Range() or hint is bool else [str(within)]
    if hint is str and within.at_most is not None:
        words = [f"at most {within.at_most} characters"]
    words += [f"no more than {about['no_more_than']}"] if about.get("no_more_than") else []
    return "; ".join([*words, *(["nothing twice"] if about.get("distinct") else [])])


def _counts(about: Mapping[str, Any]) -> tuple[str, ...]:
    """When it counts, and when it does not; nothing of one that always does."""
    when = [f"only when {_said(about['when'])}"] if about.get("when") else []
    return (*when, *(f"not when {_said(one)}" for one in about.get("unless", ())))


def _said(settings: Settings) -> str:
    return " and ".join(f"{name} is {' or '.join(map(written, values))}" for name, values in settings.items())


def written(value: Any) -> str:
    """A value as one would type it after ``--set KEY=``."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "''" if value == "" else str(value)
