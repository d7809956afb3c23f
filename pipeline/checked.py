"""Is a configured value one that its parameter can be: of its type, among its choices, in its range?"""

from __future__ import annotations

import types
import typing
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cache.errors import ConfigError, nearest
from cache.option import Range

#: How long a text can be, where its option does not say; no path is longer.
LONGEST_TEXT = 4096

#: How many characters of a value a message shows.
SHOWN = 80


@dataclass(frozen=True)
class Value:
    """A configured value, where it comes from (for messages), and how late that comes."""

    value: Any
    origin: str
    layer: int = 0


def checked(found: Value, kind: Any, name: str, about: Mapping[str, Any]) -> Any:
    """The value as the parameter has it: an int is a float where one is wanted, a list a tuple. ``about`` is what its option says.

    Raises ConfigError that names the origin, the key and what the value can be.
    """
    value = found.value
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in typing.get_args(kind):
            return None
        (kind,) = (option for option in typing.get_args(kind) if option is not type(None))
    if origin is tuple:
        return _list(found, kind, name, about)
    allowed = about.get("range", Range())
    wanted = f"{found.origin}: {name} = {shown(value)} must be"
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole if kind is int else isinstance(value, float) or whole if kind is float else isinstance(value, kind)):
        ranged = f", {allowed}" if kind in (int, float) else ""
        raise ConfigError(f"{wanted} of type {kind.__name__}{ranged}, not {type(value).__name__}", hint=_hint(value, kind))
    if kind in (int, float) and value not in allowed:
        raise ConfigError(f"{wanted} {allowed}")
    if kind is str:
        longest = allowed.at_most or LONGEST_TEXT
        if len(value) > longest or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in value):
            raise ConfigError(f"{wanted} at most {longest} characters, without control characters")
    choices = about.get("choices", ())
    if choices and value not in choices:
        known = [str(choice) for choice in choices]
        near = nearest(str(value), known)
        hint = near if near.startswith("did you mean") else ""  # the others are listed already
        raise ConfigError(f"{found.origin}: {name} = {shown(value)} is not one of {', '.join(known)}", hint=hint)
    return float(value) + 0.0 if kind is float else value  # no minus zero: it would be another key


def _list(found: Value, kind: Any, name: str, about: Mapping[str, Any]) -> tuple[Any, ...]:
    if not isinstance(found.value, list | tuple):
        raise ConfigError(f"{found.origin}: {name} = {shown(found.value)} must be a list", hint=f"for example [{shown(found.value)}]")
    inner = typing.get_args(kind)[0]
    values = tuple(checked(Value(value, found.origin), inner, name, about) for value in found.value)
    if about.get("distinct") and len(set(values)) < len(values):
        raise ConfigError(f"{found.origin}: {name} = {shown(found.value)} holds something twice")
    return values


def _hint(value: Any, kind: type) -> str:
    if kind is str and isinstance(value, int | float):
        return f"in quotes it is text: '{shown(value)}'"
    if kind is bool and str(value).lower() in ("yes", "no", "on", "off", "1", "0"):
        return "write true or false"
    return ""


def shown(value: Any) -> str:
    """A value in a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
