"""What two keys differ in: the components of one that the other has not, down to the function that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cache.store import Key, Record
from cache.syntax import ORDER, TEXT, TOP
from cache.values import VALUE
from pipeline.imports import ENTRY
from pipeline.text import line_text

#: What the entries of a module's definitions that are no functions or classes are called.
PARTS = {TOP: "(top level)", ORDER: "(order of imports)", TEXT: "(text)"}

#: How many definitions of a module a line shows.
SHOWN = 8


@dataclass(frozen=True)
class Component:
    """One component of a key that differs: ``old`` and ``new`` are its values (None: there is none), ``text`` says it to people.

    component: ``param``, ``code``, ``input``, ``sources``, ``file``, ``environment`` or ``format``.
    details:   the definitions of a module, or the items of an input, that it comes down to, where they are known.
    """

    component: str
    name: str
    old: Any
    new: Any
    text: str
    details: tuple[str, ...] = ()


def differences(old: Record, new: Key, definitions: Mapping[str, Mapping[str, str]]) -> list[Component]:
    """The components of ``new`` that differ from the key that ``old`` was made under."""
    was = old.key
    if (was.entry == ENTRY) != (new.entry == ENTRY):  # nothing else of the two keys can be compared
        a, b = ("imported" if entry == ENTRY else "computed" for entry in (was.entry, new.entry))
        return [Component("format", "source", a, b, f"its features are {b} now, they were {a}")]
    found = [Component("param", name, a, b, f"param {name} {_show(a)} → {_show(b)}") for name, a, b in changed(was.params, new.params)]
    for module, a, b in changed(was.code, new.code):
        where = module_file(module, {*was.code, *new.code})
        found += _code(where, module, a, b, old.definitions.get(module, {}), definitions.get(module, {}))
    found += [Component("input", name, a, b, f"input {name} {_verb(a, b)}") for name, a, b in changed(was.inputs, new.inputs)]
    if was.sources != new.sources:
        found.append(Component("sources", "sources", was.sources or None, new.sources or None, "raw files changed"))
    found += [Component("file", name, a, b, _file(name, a, b)) for name, a, b in changed(was.files, new.files)]
    for name, a, b in changed(was.facets, new.facets):
        found.append(Component("environment", name, a, b, f"environment: {name} {_show(a)} → {_show(b)} (keyed)"))
    if (was.version, was.entry) != (new.version, new.entry):
        a, b = f"{was.entry} version {was.version}", f"{new.entry} version {new.version}"
        found.append(Component("format", "format", a, b, f"the stage's output format changed: {a} → {b}"))
    return found


def summary(old: Record, new: Key, definitions: Mapping[str, Mapping[str, str]]) -> str:
    """The differences on one line."""
    return one_line(differences(old, new, definitions))


def one_line(components: list[Component]) -> str:
    """The first component, and how many more there are."""
    if not components:
        return "its result was removed from the store"
    return components[0].text + (f" (and {len(components) - 1} more)" if len(components) > 1 else "")


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, old value, new value) of what differs, by name; None stands for a value that is not there."""
    for name in sorted({*old, *new}):
        if name not in old or name not in new or old[name] != new[name]:
            yield name, old.get(name), new.get(name)


def module_file(module: str, modules: Iterable[str]) -> str:
    """Where a module's text is, as people write it; one that holds others of ``modules`` is a package."""
    package = any(other.startswith(f"{module}.") for other in modules)
    return module.replace(".", "/") + ("/__init__.py" if package else ".py")


def _code(where: str, module: str, a: Any, b: Any, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Component]:
    if a is None or b is None:
        yield Component("code", module, a, b, f"code: {where} {'is newly used' if a is None else 'is no longer used'}")
        return
    kinds: dict[str, list[str]] = {"changed": [], "added": [], "removed": []}
    for name, was, now in _definitions(old, new) if old and new else ():
        whole = was is not None and now is not None
        kinds["changed" if whole or name in PARTS else "added" if was is None else "removed"].append(name)
    for verb, names in kinds.items():
        if names:
            shown = ", ".join(_definition(name, old, new) for name in names[:SHOWN])
            more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
            told = tuple(name.removeprefix(VALUE) for name in names)
            yield Component("code", module, a, b, f"code: {where}::{shown}{more} {verb}", told)
    if not any(kinds.values()):
        yield Component("code", module, a, b, f"code: {where} changed")


def _definitions(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, Any, Any]]:
    """The definitions that differ; of values assigned at module level their names, in place of the whole top level."""
    found = list(changed(old, new))
    values = [row for row in found if row[0].startswith(VALUE) and row[0] != VALUE]
    known = VALUE in old and VALUE in new  # records of before do not name them
    if not known or not values:
        return [row for row in found if not row[0].startswith(VALUE)]
    hidden = {VALUE} | ({TOP} if old[VALUE] == new[VALUE] else set())
    return [row for row in found if row[0] not in hidden]


def _definition(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """A definition as people call it; a short value with what it was and is."""
    if not name.startswith(VALUE):
        return PARTS.get(name, name)
    was, now = old.get(name, "#"), new.get(name, "#")
    return name.removeprefix(VALUE) + (f" {line_text(was)} → {line_text(now)}" if "#" not in (was[0], now[0]) else "")


def _file(name: str, a: Any, b: Any) -> str:
    if a is None or b is None:
        return f"file {name} {'is new' if a is None else 'is no longer used'} (sha256 {_short(a or b)})"
    return f"file {name} changed (sha256 {_short(a)} → {_short(b)})"


def _verb(a: Any, b: Any) -> str:
    return "is newly read" if a is None else "is no longer read" if b is None else "changed"


def _short(digest: str) -> str:
    return f"{digest[:4]}…" if len(digest) > 12 else digest


def _show(value: object) -> str:
    return "(unset)" if value is None else "(empty)" if value == "" else line_text(str(value))
