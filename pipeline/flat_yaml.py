"""Flat ``key: value`` lines in YAML, read by the core rules of YAML 1.2 and not by those of 1.1, where ``no`` is false, ``010`` is 8 and
``1:30`` is 90.

A value is a decimal number, ``true`` or ``false``, ``null`` (also ``~`` and nothing at all), a list, or text; whatever is quoted is text.
What else YAML knows (0x10, 1_000, yes, dates, merge keys) is text, which no number or switch takes. Nested mappings, aliases (no bombs),
keys that stand twice and tags are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from cache.errors import ConfigError, DataError
from cache.given import read_bytes

_TAG = "tag:yaml.org,2002:"
#: The largest file, in bytes, and how deep lists may lie in one another.
LARGEST = 1 << 20
DEEPEST = 20
_NUMBERS = list("+-.0123456789")


class _Loader(yaml.SafeLoader):
    """Composes nodes; aliases and tags are refused."""

    depth = 0
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        where = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"{where}: aliases are not allowed here")
        if getattr(event, "tag", None) is not None:
            raise yaml.YAMLError(f"{where}: could not determine a constructor for {event.tag}: values have no tags here")
        if self.depth == DEEPEST:
            raise yaml.YAMLError(f"{where}: nested too deeply; expected 'key: value' lines")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


for _name, _pattern, _first in (
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("null", "null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("int", "[-+]?[0-9]+", _NUMBERS),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", _NUMBERS),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)

_READ: dict[str, Callable[[str], Any]] = {
    _TAG + "str": str,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "null": lambda text: None,
    _TAG + "int": int,
    _TAG + "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}


def read_lines(path: Path) -> dict[str, tuple[Any, int]]:
    """Key -> (value, number of its line) of a file. Raises ConfigError naming the file and the line."""
    try:
        data = read_bytes(path, most=LARGEST)
    except DataError as error:
        raise ConfigError(error.message) from error
    try:
        return _flat(yaml.compose(_text(data), Loader=_Loader))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _text(data: bytes) -> str:
    """The text of a file. Raises ValueError, with the line, for what is no text that YAML takes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"line {_line(data[: error.start].decode('utf-8'))}: not UTF-8 text") from error
    try:
        yaml.reader.Reader(text)
    except yaml.reader.ReaderError as error:
        raise ValueError(f"line {_line(text[: error.position])}: the character {error.character:#x} is not allowed") from error
    return text


def _line(before: str) -> int:
    return len(f"{before}.".splitlines())


def read_value(text: str) -> Any:
    """One value, as it would be read behind a key. Raises ValueError that says what is wrong with it."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else _value(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _flat(node: yaml.Node | None) -> dict[str, tuple[Any, int]]:
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"line {node.start_mark.line + 1}: expected 'key: value' lines")
    found: dict[str, tuple[Any, int]] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _value(key_node)
        if not isinstance(key, str) or isinstance(value_node, yaml.MappingNode):
            raise ValueError(f"line {line}: '{key}' must be a flat 'section.key: value' line")
        if key in found:
            raise ValueError(f"key '{key}' stands twice (line {line})")
        found[key] = _value(value_node), line
    return found


def _value(node: yaml.Node) -> Any:
    where = f"line {node.start_mark.line + 1}"
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(f"{where}: a value is a number, true, false, null, text or a list")
    try:
        return _READ[node.tag](node.value)
    except ValueError as error:
        raise ValueError(f"{where}: {str(error)[:200]}") from error
