"""``predict.py`` beside an exported network: one file that needs no kdpipe, put together of modules that are tested here.

A system's module imports the parts that it needs from ``models/standalone``; in the file they stand before it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline import paths

#: Format -> the part that opens the network.
OPENS = {"onnx": "models.standalone.onnx_network", "torchscript": "models.standalone.torchscript_network"}
#: What a module imports its network from while it lies here.
ANY = OPENS["onnx"]
PARTS = "models.standalone"


def composed(module: str, format: str) -> str:
    """The text of ``predict.py`` for a module of a system, and a format of :data:`OPENS`."""
    text = _source(module)
    needed = list(dict.fromkeys([OPENS[format], *(part for part in _parts(text) if part != ANY)]))
    sources = [*map(_source, needed), text]
    head = f'"""{ast.get_docstring(ast.parse(text), clean=False)}"""\n\n{_imports(sources)}'
    return "\n\n\n".join([head, *map(_body, sources)]) + "\n"


def _parts(text: str) -> list[str]:
    """The parts that a module imports, and those that they import, these first."""
    found: list[str] = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PARTS):
            found += [*_parts(_source(node.module)), node.module]
    return found


def _imports(sources: Iterable[str]) -> str:
    """What all of them import from elsewhere, each once: what Python has of its own first."""
    whole, names = set[str](), dict[str, set[str]]()
    for node in (node for text in sources for node in ast.parse(text).body):
        if isinstance(node, ast.Import):
            whole |= {ast.unparse(node)}
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith(PARTS):
            names.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    lines = sorted(whole) + [f"from {module} import {', '.join(sorted(own))}" for module, own in sorted(names.items())]
    groups = [[line for line in lines if _group(line) == group] for group in range(3)]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _group(line: str) -> int:
    package = line.split()[1].split(".")[0]
    return 0 if package == "__future__" else 1 if package in sys.stdlib_module_names else 2


def _body(text: str) -> str:
    """A module without its docstring and its imports."""
    tree = ast.parse(text)
    last = max(
        node.end_lineno or 0
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )
    return "\n".join(text.splitlines()[last:]).strip()


def _source(module: str) -> str:
    return Path(paths.PROJECT, *module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
