"""All params records of the house, found by importing every package that declares a stage."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
import typing
from typing import Any

import stages
import systems
from cache.stage import Stage
from pipeline.config import General


@functools.cache
def records() -> tuple[type, ...]:
    """Every record that a stage's ``params`` names, and the keys that belong to no stage."""
    found: dict[type, None] = {General: None}
    for package in (stages, systems):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            declared = vars(importlib.import_module(module.name)).values()
            found.update({stage.params: None for stage in declared if isinstance(stage, Stage)})
    return tuple(found)


def parameters() -> list[Any]:
    """(record, field, its type without None and tuple) of all parameters."""
    found = []
    for record in records():
        kinds = typing.get_type_hints(record)
        found += [(record, field, inner(kinds[field.name])) for field in dataclasses.fields(record)]
    return found


def inner(kind: Any) -> Any:
    """``float`` of ``float | None``, ``int`` of ``tuple[int, ...]``."""
    parts = [part for part in typing.get_args(kind) if part not in (type(None), ...)]
    return parts[0] if parts else kind
