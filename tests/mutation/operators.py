"""Mutations that can matter: one small change of a syntax tree each, enumerated so that they can be drawn from a seed.

A site is ``(operator, number of the node in ast.walk order)``. Nothing is changed that Python does not run: annotations of
functions and local variables, docstrings, ``TYPE_CHECKING`` blocks.
"""

from __future__ import annotations

import ast
import functools
import pickle
from array import array
from collections.abc import Callable, Iterator

Site = tuple[str, int]

OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mod, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def _constant(node: ast.Constant) -> None:
    value = node.value
    if isinstance(value, bool):
        node.value = not value
    elif isinstance(value, int | float | complex):
        node.value = value + 1
    elif isinstance(value, str):
        node.value = value + "x"
    elif isinstance(value, bytes):
        node.value = value + b"x"
    else:
        node.value = 0


def _operator(node: ast.BinOp | ast.AugAssign | ast.BoolOp) -> None:
    node.op = OTHER[type(node.op)]()


def _compare(node: ast.Compare) -> None:
    node.ops[-1] = OTHER[type(node.ops[-1])]()


def _swap_arguments(node: ast.Call) -> None:
    node.args[0], node.args[1] = node.args[1], node.args[0]


def _drop_default(node: ast.arguments) -> None:
    node.defaults = node.defaults[1:]


def _drop_decorator(node: ast.FunctionDef | ast.ClassDef) -> None:
    del node.decorator_list[0]


def _other_base(node: ast.ClassDef) -> None:
    node.bases = node.bases[1:] if node.bases else [ast.Name("dict", ast.Load())]


def _rename(node: ast.Name) -> None:
    node.id += "_"


def _other_attribute(node: ast.Attribute) -> None:
    node.attr += "_"


def _return_nothing(node: ast.Return) -> None:
    node.value = None


def _negate(node: ast.If | ast.While | ast.IfExp) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _drop_unary(node: ast.UnaryOp) -> None:
    node.op = ast.Invert() if not isinstance(node.op, ast.Invert) else ast.UAdd()


def _import_as(node: ast.alias) -> None:
    node.asname = "elsewhere"


def _other_field(node: ast.AnnAssign) -> None:
    node.annotation = ast.Subscript(ast.Name("ClassVar", ast.Load()), node.annotation, ast.Load())


def _delete_first(node: ast.AST) -> None:
    node.body = [ast.Pass(), *node.body[1:]]  # type: ignore[attr-defined]


def _delete_last(node: ast.AST) -> None:
    node.body = [*node.body[:-1], ast.Pass()]  # type: ignore[attr-defined]


def _delete_middle(node: ast.AST) -> None:
    node.body = [*node.body[: len(node.body) // 2], *node.body[len(node.body) // 2 + 1 :]]  # type: ignore[attr-defined]


def _swap_statements(node: ast.AST) -> None:
    node.body[-1], node.body[-2] = node.body[-2], node.body[-1]  # type: ignore[attr-defined]


OPERATORS: dict[str, Callable[..., None]] = {
    f.__name__.strip("_"): f
    for f in (
        _constant, _operator, _compare, _swap_arguments, _drop_default, _drop_decorator, _other_base, _rename, _other_attribute,
        _return_nothing, _negate, _drop_unary, _import_as, _other_field, _delete_first, _delete_last, _delete_middle, _swap_statements,
    )
}  # fmt: skip


def _for(node: ast.AST, in_class: bool) -> Iterator[str]:
    """Operators that fit a node."""
    if isinstance(node, ast.Constant) and node.value is not Ellipsis:
        yield "constant"
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        yield "operator"
    if isinstance(node, ast.Compare):
        yield "compare"
    if isinstance(node, ast.Call) and len(node.args) > 1 and _differ(*node.args[:2]):
        yield "swap_arguments"
    if isinstance(node, ast.arguments) and node.defaults:
        yield "drop_default"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.decorator_list:
        yield "drop_decorator"
    if isinstance(node, ast.ClassDef):
        yield "other_base"
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield "rename"
    if isinstance(node, ast.Attribute):
        yield "other_attribute"
    if isinstance(node, ast.Return) and node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return_nothing"
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield "negate"
    if isinstance(node, ast.UnaryOp):
        yield "drop_unary"
    if isinstance(node, ast.alias) and node.name != "*":
        yield "import_as"
    if isinstance(node, ast.AnnAssign) and in_class:
        yield "other_field"
    body = getattr(node, "body", None)
    if isinstance(body, list):
        if _acts(body[0]):
            yield "delete_first"
        if len(body) > 1 and _acts(body[-1]):
            yield "delete_last"
        if len(body) > 2 and _acts(body[len(body) // 2]):
            yield "delete_middle"
        if len(body) > 1 and all(map(_acts, body[-2:])) and _differ(*body[-2:]):
            yield "swap_statements"


def _differ(first: ast.AST, second: ast.AST) -> bool:
    """Exchanging them is a change: they differ, and are no imports, whose order is a matter of its own."""
    imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in (first, second))
    return (
        ast.dump(first) != ast.dump(second) and not imports and not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred)
    )


def _acts(statement: ast.stmt) -> bool:
    """It does something that a deletion would undo; what makes no sense to delete from a module is left alone."""
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return False
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    silent = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return not silent and not isinstance(statement, ast.Pass) and not _is_type_checking(statement)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def declared_parts(tree: ast.Module) -> set[ast.AST]:
    """In a declaring module: the ``Stage(...)`` statements, the ``option(...)`` fields, and the graph function."""

    def calls(value: ast.expr | None, name: str) -> bool:
        return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == name

    stages = [s for s in tree.body if isinstance(s, ast.Assign) and calls(s.value, "Stage")]
    if not stages:
        return set()
    records = [c for c in tree.body if isinstance(c, ast.ClassDef)]
    fields = [s for c in records for s in c.body if isinstance(s, ast.AnnAssign) and calls(s.value, "option")]
    graph = [s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "nodes"]
    return {*stages, *fields, *graph}


def _nodes(tree: ast.AST) -> list[ast.AST]:
    return list(ast.walk(tree))


def sites(text: str, *, declared: bool = False) -> list[Site]:
    """All mutations of a module outside of its declarations; ``declared=True``: those inside of them."""
    tree = ast.parse(text)
    parts = declared_parts(tree)
    inside = {child for part in parts for child in ast.walk(part)}
    ignored = set(_never_run(tree))
    in_class = {s for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for s in n.body}
    found = []
    for number, node in enumerate(_nodes(tree)):
        if node in ignored or (node in inside) != declared:
            continue
        for operator in _for(node, node in in_class):
            if not declared and operator.startswith(("delete", "swap_st")) and set(node.body) & parts:  # type: ignore[attr-defined]
                continue
            found.append((operator, number))
    return found


def _never_run(tree: ast.Module) -> Iterator[ast.AST]:
    fields = {s for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for s in n.body if isinstance(s, ast.AnnAssign)}
    for node in ast.walk(tree):
        if not _runs(node):
            yield from ast.walk(node)
        for annotation in (getattr(node, "returns", None), getattr(node, "annotation", None)):
            if annotation is not None and node not in fields:
                yield from ast.walk(annotation)


def _runs(node: ast.AST) -> bool:
    future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    return not future and not _is_type_checking(node) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


class Parsed:
    """A module from which mutants are made: only the statement that is changed is unparsed again.

    ``texts``: its statements, unparsed. ``owners``: the number of the statement of every node, in the order of the walk; -1: the module.
    """

    def __init__(self, text: str) -> None:
        tree = ast.parse(text)
        self.texts = [ast.unparse(statement) for statement in tree.body]
        self._kept = [pickle.dumps(statement) for statement in tree.body]
        self.owners = array("i", [-1])
        queue = [(number, statement) for number, statement in enumerate(tree.body)]
        for number, node in queue:
            self.owners.append(number)
            queue += [(number, child) for child in ast.iter_child_nodes(node)]

    def statement(self, number: int) -> ast.stmt:
        """A new copy of a statement."""
        found: ast.stmt = pickle.loads(self._kept[number])
        return found


parsed = functools.cache(Parsed)


def plain(text: str) -> str:
    """The module unparsed, as a mutant is."""
    return "\n".join(parsed(text).texts) + "\n"


def mutate(text: str, site: Site) -> str:
    """The module with one mutation."""
    operator, number = site
    whole = parsed(text)
    owner = whole.owners[number]
    if owner < 0:  # the module itself
        tree = ast.parse(text)
        OPERATORS[operator](tree)
        return "\n".join(map(ast.unparse, tree.body)) + "\n"
    statement = whole.statement(owner)
    OPERATORS[operator](_nodes(statement)[whole.owners[:number].count(owner)])  # a statement's nodes follow as in a walk of it alone
    return "\n".join([*whole.texts[:owner], ast.unparse(statement), *whole.texts[owner + 1 :]]) + "\n"
