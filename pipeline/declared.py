"""Every stage that is declared in ``stages/`` or ``systems/``: what is a verb there, and what is a stage's name."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from cache.stage import Stage


@functools.cache
def declared(*packages: str) -> dict[str, Stage]:
    """Name -> stage; those that read shared stages come after them.

    Of several of a name (each system evaluates) it is the first, or the first that is a verb.
    """
    found: dict[str, Stage] = {}
    for package in packages:
        own: dict[str, Stage] = {}
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, Stage) and (value.name not in own or (value.help and not own[value.name].help)):
                    own[value.name] = value
        found |= {name: own[name] for name in sorted(own, key=lambda name: _depth(name, own)) if name not in found}
    return found


def _depth(name: str, stages: dict[str, Stage]) -> int:
    """How many stages lie before the stage of that name, one behind the other."""
    return 1 + max((_depth(read, stages) for read in stages[name].reads), default=-1)
