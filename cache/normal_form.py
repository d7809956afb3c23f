"""The normal form of a module: its syntax tree without what cannot change what the module does.

Gone are comments, layout, quotes, docstrings and other statements without effect, annotations of functions and of local
variables, blocks under ``typing.TYPE_CHECKING``, and the order of neighbouring imports that bind different names. All
else counts. Class fields keep their annotations, because dataclasses and the like read them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from cache.declarations import Declarations

#: What an annotation is made of; one with anything else in it (a call, a walrus) does something and stays.
TYPE_SYNTAX = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.UnaryOp, ast.USub,
    ast.Starred, ast.Slice, ast.Load, ast.Store,
)  # fmt: skip

#: Fields of a syntax tree that say nothing about behaviour, or follow from the place of a node.
SILENT_FIELDS = frozenset({"kind", "type_comment", "type_ignores", "ctx"})


def normal_form(tree: ast.Module, declarations: Declarations) -> ast.Module:
    """Bring ``tree`` to its normal form, in place; ``declarations`` are the parts that reach keys as values."""
    normal: ast.Module = _Normalise(declarations).visit(tree)
    return normal


def walk(tree: ast.AST) -> list[ast.AST]:
    """The nodes of ``ast.walk`` in its order, in half its time."""
    found = [tree]
    for node in found:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                found.append(value)
            elif isinstance(value, list):
                found += [part for part in value if isinstance(part, ast.AST)]
    return found


def dump(node: Any) -> str:
    """A text of a syntax tree that is equal for equal trees, whichever version of Python parsed it."""
    if isinstance(node, ast.AST):
        texts = []
        for name in node._fields:
            if name not in SILENT_FIELDS and (value := getattr(node, name, None)) is not None and value != []:
                texts.append(f"{name}={dump(value)}")
        return f"{type(node).__name__}({','.join(texts)})"
    if isinstance(node, list):
        return f"[{','.join(map(dump, node))}]"
    if type(node) is int:
        return hex(node)
    return ascii(node)


def without_type_checking(tree: ast.Module) -> ast.Module:
    """Drop the blocks that never run: ``if TYPE_CHECKING``, where that is the constant of ``typing`` and nothing else."""
    result: ast.Module = _DropTypeChecking(tree).visit(tree)
    return result


def bindings(tree: ast.Module) -> Iterator[str]:
    """Every name that some statement of the module binds, imports included, as often as it is bound."""
    for node in walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name


class _Statements(ast.NodeTransformer):
    """Visits statements and what they are made of, but for expressions: in those nothing is left out, and they are most of a tree."""

    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, ast.expr) else super().visit(node)


class _DropTypeChecking(_Statements):
    def __init__(self, tree: ast.Module) -> None:
        bound = list(bindings(tree))
        self.names: set[str] = set()
        self.modules: set[str] = set()
        for node in walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "typing" and not node.level:
                self.names |= {a.asname or a.name for a in node.names if a.name == "TYPE_CHECKING"}
            elif isinstance(node, ast.Import):
                self.modules |= {a.asname or a.name for a in node.names if a.name == "typing"}
        self.names = {name for name in self.names if bound.count(name) == 1}
        self.modules = {name for name in self.modules if bound.count(name) == 1}

    def visit_If(self, node: ast.If) -> Any:
        test = node.test
        plain = isinstance(test, ast.Name) and test.id in self.names
        dotted = (
            isinstance(test, ast.Attribute)
            and test.attr == "TYPE_CHECKING"
            and isinstance(test.value, ast.Name)
            and test.value.id in self.modules
        )
        self.generic_visit(node)
        return node.orelse if plain or dotted else node


class _Normalise(_Statements):
    def __init__(self, declarations: Declarations) -> None:
        self.declarations = declarations
        self.in_class = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, _split_imports(s for s in statements if not _does_nothing(s)))
        return node

    def visit_Module(self, node: ast.Module) -> Any:
        node.body = [s for s in node.body if s not in self.declarations.statements]
        self.generic_visit(node)
        node.body = _sorted_imports(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        node.body = [s for s in node.body if s not in self.declarations.statements]
        return self._scope(node, is_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = _kept(node.returns)
        return self._scope(node, is_class=False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        node.returns = _kept(node.returns)
        return self._scope(node, is_class=False)

    def _scope(self, node: Any, *, is_class: bool) -> Any:
        outer, self.in_class = self.in_class, is_class
        self.generic_visit(node)
        self.in_class = outer
        node.body = _sorted_imports(node.body)
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = _kept(node.annotation)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if self.in_class or _kept(node.annotation) is not None:
            return node
        if node.value is not None:
            return ast.Assign(targets=[node.target], value=node.value)
        if not isinstance(node.target, ast.Name) and all(isinstance(part, TYPE_SYNTAX) for part in walk(node.target)):
            return None
        node.annotation = ast.Constant(value=None)  # it still makes the name a local one
        return node


def _kept(annotation: ast.expr | None) -> ast.expr | None:
    """The annotation, if evaluating it may do something; None if it only names types."""
    if annotation is None or all(isinstance(part, TYPE_SYNTAX) for part in walk(annotation)):
        return None
    return annotation


def _does_nothing(statement: ast.stmt) -> bool:
    """``pass``, docstrings and other constants that stand alone; ``from __future__ import annotations``."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__" and all((a.name, a.asname) == ("annotations", None) for a in statement.names)
    return isinstance(statement, ast.Pass) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def _split_imports(statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    """One statement for every imported name."""
    result: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, ast.Import):
            result.extend(ast.Import(names=[alias]) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            result.extend(ast.ImportFrom(module=statement.module, names=[alias], level=statement.level) for alias in statement.names)
        else:
            result.append(statement)
    return result


def _sorted_imports(body: list[ast.stmt]) -> list[ast.stmt]:
    """Sort runs of neighbouring imports whose order cannot decide what a name means."""
    result: list[ast.stmt] = []
    run: list[ast.stmt] = []
    for statement in [*body, None]:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            run.append(statement)
            continue
        result.extend(sorted(run, key=dump) if _bind_different_names(run) else run)
        run = []
        if statement is not None:
            result.append(statement)
    return result


def _bind_different_names(run: list[ast.stmt]) -> bool:
    meanings: dict[str, str] = {}
    for statement in run:
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        (alias,) = statement.names
        if alias.name == "*":
            return False
        whole = isinstance(statement, ast.Import) and not alias.asname
        name = alias.name.split(".")[0] if whole else alias.asname or alias.name
        if meanings.setdefault(name, name if whole else dump(statement)) != (name if whole else dump(statement)):
            return False
    return True
