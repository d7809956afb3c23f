"""Why a result is not fresh: the difference between the key it was made under and the key wanted now."""

from __future__ import annotations

from collections.abc import Mapping

from cache.store import Key, Record


def differences(old: Record, new: Key, definitions: Mapping[str, Mapping[str, str]]) -> list[str]:
    """One line per component of the key that differs, code down to the function."""
    lines = [
        f"param {name} {_show(old.key.params.get(name))} → {_show(new.params.get(name))}" for name in _changed(old.key.params, new.params)
    ]
    for module in _changed(old.key.code, new.code):
        if module not in new.code:
            lines.append(f"code: {module} is no longer used")
        elif module not in old.key.code:
            lines.append(f"code: {module} is new")
        else:
            names = _changed(old.definitions.get(module, {}), definitions.get(module, {}))
            lines.append(f"code: {module.replace('.', '/')}.py::{', '.join(names) or '?'} changed")
    lines += [f"input {name} changed" for name in _changed(old.key.inputs, new.inputs)]
    if old.key.sources != new.sources:
        lines.append("raw files changed")
    lines += [f"file {name} changed" for name in _changed(old.key.files, new.files)]
    lines += [
        f"environment: {name} {_show(old.key.facets.get(name))} → {_show(new.facets.get(name))}"
        for name in _changed(old.key.facets, new.facets)
    ]
    if (old.key.version, old.key.entry) != (new.version, new.entry):
        lines.append("the stage's output format changed")
    return lines


def summary(old: Record, new: Key, definitions: Mapping[str, Mapping[str, str]]) -> str:
    """The differences on one line."""
    lines = differences(old, new, definitions)
    if not lines:
        return "its result was removed from the store"
    return lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")


def _changed(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name, _ABSENT) != new.get(name, _ABSENT))


_ABSENT = object()


def _show(value: object) -> str:
    return "(unset)" if value is None else str(value)
