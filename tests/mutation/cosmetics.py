"""Edits that cannot matter: each takes the text of a module and dice, and gives another text that does the same."""

from __future__ import annotations

import ast
import io
import random
import subprocess
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path

from cache.syntax import PACKAGES

Edit = Callable[[str, random.Random], str]


def unparsed(text: str, dice: random.Random) -> str:
    """Comments, quotes, parentheses and layout, all at once."""
    return ast.unparse(ast.parse(text)) + "\n"


def commented(text: str, dice: random.Random) -> str:
    """A comment and a blank line before some statement."""
    lines = text.splitlines(keepends=True)
    starts = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.stmt) and not lines[n.lineno - 1][: n.col_offset].strip()]
    if not starts:
        return text + "# nothing here\n"
    node = dice.choice(starts)
    line = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    lines.insert(line - 1, f"\n{' ' * node.col_offset}# a remark: x = {dice.random()}\n")
    return "".join(lines)


def trailing(text: str, dice: random.Random) -> str:
    """A comment, also one that some tools read, at the end of a statement's last line."""
    lines = text.splitlines()
    ends = {n.end_lineno for n in ast.walk(ast.parse(text)) if isinstance(n, ast.stmt) and n.end_lineno == n.lineno}
    if not ends:
        return text + "\n\n"
    number = dice.choice(sorted(ends)) - 1
    lines[number] += dice.choice(["  # type: ignore", "  # noqa", "  # type: int", "   "])
    return "\n".join(lines) + "\n"


def other_newlines(text: str, dice: random.Random) -> str:
    return text.replace("\n", "\r\n")


def encoding_named(text: str, dice: random.Random) -> str:
    return "# -*- coding: utf-8 -*-\n" + text


def _owners(tree: ast.Module) -> list[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]


def redocumented(text: str, dice: random.Random) -> str:
    """A docstring more, less or another."""
    tree = ast.parse(text)
    owner = dice.choice(_owners(tree))
    new = ast.Expr(ast.Constant(f"Says something else: {dice.random()}"))
    if ast.get_docstring(owner) is None:
        owner.body.insert(0, new)
    elif len(owner.body) > 1 and dice.random() < 0.5:
        del owner.body[0]
    else:
        owner.body[0] = new
    return _text(tree)


def reannotated(text: str, dice: random.Random) -> str:
    """Another annotation of an argument or a result; none on a local variable."""
    tree = ast.parse(text)
    bare = {arg for n in ast.walk(tree) if isinstance(n, ast.Lambda) for arg in ast.walk(n.args)}  # a lambda has no annotations
    spots: list[ast.AST] = [n for n in ast.walk(tree) if isinstance(n, ast.arg | ast.FunctionDef) and n not in bare]
    if not spots:
        return unparsed(text, dice)
    spot = dice.choice(spots)
    new = dice.choice([None, ast.Name("object", ast.Load()), ast.Constant("anything")])
    setattr(spot, "annotation" if isinstance(spot, ast.arg) else "returns", new)
    fields = {s for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for s in c.body}
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            body = getattr(node, name, None)
            if isinstance(body, list) and not isinstance(node, ast.ClassDef):
                setattr(node, name, [_plain(s) if s not in fields else s for s in body])
    return _text(tree)


def _plain(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        return ast.Assign([statement.target], statement.value)
    return statement


def imports_reordered(text: str, dice: random.Random) -> str:
    """Imports from outside of the project in another order, at the top of the module."""
    tree = ast.parse(text)

    def foreign(s: ast.stmt) -> bool:
        names = [a.name for a in s.names] if isinstance(s, ast.Import) else [s.module or ""] if isinstance(s, ast.ImportFrom) else []
        return bool(names) and all(n.split(".")[0] not in (*PACKAGES, "__future__") for n in names)

    places = [i for i, s in enumerate(tree.body) if foreign(s)]
    run = [i for i in places if i - places[0] == places.index(i)]
    moved = [tree.body[i] for i in run]
    dice.shuffle(moved)
    for i, statement in zip(run, moved):
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        dice.shuffle(statement.names)
        tree.body[i] = statement
    return _text(tree)


def imports_split(text: str, dice: random.Random) -> str:
    """One import statement a name."""
    tree = ast.parse(text)
    body: list[ast.stmt] = []
    for s in tree.body:
        if isinstance(s, ast.ImportFrom) and s.module != "__future__":
            body += [ast.ImportFrom(s.module, [a], s.level) for a in s.names]
        else:
            body.append(s)
    tree.body = body
    return _text(tree)


def passes_added(text: str, dice: random.Random) -> str:
    tree = ast.parse(text)
    owner = dice.choice(_owners(tree))
    owner.body.append(dice.choice([ast.Pass(), ast.Expr(ast.Constant("a note")), ast.Expr(ast.Constant(...))]))
    return _text(tree)


def other_quotes(text: str, dice: random.Random) -> str:
    """Single quotes for double ones; ``u`` before a plain string."""
    tokens = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        string = token.string
        if token.type == tokenize.STRING and string[:1] == '"' and string[:3] != '"""' and "'" not in string and "\\" not in string:
            string = dice.choice(["", "u"]) + f"'{string[1:-1]}'"
        tokens.append((token.type, string))
    return tokenize.untokenize(tokens)


def parenthesised(text: str, dice: random.Random) -> str:
    """Parentheses around the value of an assignment or a return."""
    lines = text.splitlines()
    spots = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Assign | ast.Return) and isinstance(n.value, ast.expr)]
    spots = [v for v in spots if v.lineno == v.end_lineno and lines[v.lineno - 1].isascii() and not isinstance(v, ast.Tuple)]
    if not spots:
        return unparsed(text, dice)
    value = dice.choice(spots)
    line = lines[value.lineno - 1]
    lines[value.lineno - 1] = f"{line[: value.col_offset]}(({line[value.col_offset : value.end_col_offset]})){line[value.end_col_offset :]}"
    return "\n".join(lines) + "\n"


def _text(tree: ast.Module) -> str:
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


EDITS: tuple[Edit, ...] = (
    unparsed, commented, trailing, other_newlines, encoding_named, redocumented, reannotated, imports_reordered, imports_split,
    passes_added, other_quotes, parenthesised,
)  # fmt: skip

#: Edits after which even the plain syntax tree is the same.
SAME_TREE: tuple[Edit, ...] = (unparsed, commented, trailing, other_newlines, encoding_named, parenthesised)


def reformat(root: Path, *settings: str) -> None:
    """Let ``ruff format`` lay out the whole tree in another way."""
    options = [word for setting in settings for word in ("--config", setting)]
    subprocess.run([sys.executable, "-m", "ruff", "format", "--isolated", "--quiet", *options, *PACKAGES], cwd=root, check=True)
