"""The values that a module assigns at its top level, by name: so that ``why`` can say which of them changed, and from what to what.

They are listed among a module's definitions for people alone: the digest of its top level holds all of them already.
"""

from __future__ import annotations

import ast
import hashlib

from cache.normal_form import dump

#: Before the name of a value among a module's definitions; alone, it is for what else stands at the top level.
VALUE = "="

#: A value whose text is no longer than this is listed as it stands, any other by a digest after "#".
SHORT = 40

#: Values that have a text: others (tables, calls) may be long.
PLAIN = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Name, ast.Attribute, ast.Tuple)


def values(body: list[ast.stmt]) -> dict[str, str]:
    """``"=SIZE"`` -> ``"64"`` for every name that ``body`` assigns, and ``"="`` -> digest of all else in it but functions."""
    found: dict[str, list[str]] = {}
    rest = []
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) and (names := _assigned(statement)):
            for name in names:
                found.setdefault(f"{VALUE}{name}", []).append(_text(statement))
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            rest.append(dump(statement))
    return {
        VALUE: _digest("\n".join(rest)),
        **{name: texts[0] if len(texts) == 1 else _digest(" ".join(texts)) for name, texts in found.items()},
    }


def _assigned(statement: ast.stmt) -> list[str]:
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _text(statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> str:
    """The text of the one plain value that is assigned, if it is short; else a digest of the statement."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    is_plain = len(targets) == 1 and isinstance(targets[0], ast.Name) and not isinstance(statement, ast.AugAssign)
    text = ast.unparse(statement.value) if is_plain and isinstance(statement.value, PLAIN) else ""
    return text if 0 < len(text) <= SHORT else _digest(dump(statement))


def _digest(text: str) -> str:
    return f"#{hashlib.sha256(text.encode()).hexdigest()[:32]}"
