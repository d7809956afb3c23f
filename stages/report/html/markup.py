"""HTML that cannot be broken by what is shown in it: whatever is not :class:`Markup` is text, and is escaped."""

from __future__ import annotations

import html
import json
from typing import Any

#: Elements of HTML that never have content, and of SVG that need none.
VOID, SHAPES = ("meta", "br", "input", "img"), ("line", "path", "circle")
#: JSON that may stand in a script: nothing ends the script, begins a comment, or is a line break to a browser alone.
_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(content: object) -> Markup:
    """``content`` as HTML: markup as it is, a list piece by piece, nothing for None, everything else as text."""
    if isinstance(content, Markup):
        return content
    if content is None:
        return Markup()
    if isinstance(content, (list, tuple)):
        return Markup("".join(map(escaped, content)))
    return Markup(html.escape(str(content)))


def element(tag: str, /, *content: object, **attributes: Any) -> Markup:
    """An element. Attributes: ``class_`` is ``class``, ``data_x`` is ``data-x``; None and False leave one out, True gives it no value."""
    given = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False)
    if tag in VOID or (tag in SHAPES and not content):
        return Markup(f"<{tag}{given}>" if tag in VOID else f"<{tag}{given}/>")
    return Markup(f"<{tag}{given}>{escaped(content)}</{tag}>")


def isolated(text: object) -> Markup:
    """Text of a data set, whose direction of writing stays its own: no mark in it turns around what stands beside it."""
    return element("bdi", text)


def script_json(value: Any) -> str:
    """A value as JSON that may stand in a ``<script>`` or in a file of JavaScript."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT)


def _attribute(name: str, value: Any) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
