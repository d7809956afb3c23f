"""What a module declares: the parts that a code fingerprint leaves out because they reach keys as values.

In a module that assigns ``Stage(...)`` of :mod:`cache.stage` these are

* the declarations themselves: name, version, entry and the other fields are in the key one by one;
* the ``option(...)`` fields of the records that are named as a stage's ``params``, and of their bases: they are the key's parameters;
* the graph function ``nodes``: it makes nodes, whose parameters and inputs are in the key.

So an edit of one stage's default does not make another stage stale. If a method of a class speaks of such a name, nothing is
left out. Code that uses such a name at run time (reads a default
from the record's class, say) can see more of it than the key does: :attr:`Declarations.names` tells which names those are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Syntax of a declaration's arguments: values, and nothing that does something when it is evaluated.
VALUE_SYNTAX = (
    ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.USub, ast.BinOp, ast.operator,
    ast.keyword, ast.Load,
)  # fmt: skip


@dataclass(frozen=True)
class Declarations:
    """``statements`` are left out of the fingerprint; ``names`` are the module's names whose meaning depends on them."""

    statements: list[ast.stmt] = field(default_factory=list)
    names: frozenset[str] = frozenset()


def declarations(tree: ast.Module) -> Declarations:
    """Find what ``tree`` declares; nothing, if it declares no stage."""
    imported = {alias.asname or alias.name: alias.name for alias in _from_contract(tree)}
    stages = [s for s in tree.body if _is_declaration(s, imported)]
    if not stages:
        return Declarations()
    records = {c.name: c for c in tree.body if isinstance(c, ast.ClassDef)}
    fields: list[ast.stmt] = []
    left_out = {target.id for s in stages for target in _targets(s)}
    for record in _params_records(stages, records):
        options = [s for s in record.body if isinstance(s, ast.AnnAssign) and _is_call(s.value, "option", imported)]
        fields += options
        if options:
            left_out.add(record.name)
    graph = [s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "nodes" and not s.decorator_list]
    if any(isinstance(n, ast.Name) and n.id == "nodes" for n in ast.walk(tree)):
        graph = []
    depending = _depending(tree, left_out | {s.name for s in graph})
    if any(name in depending for name in _spoken_of_in_methods(tree)):  # an instance can carry it anywhere
        return Declarations()
    return Declarations([*stages, *fields, *graph], frozenset(depending))


def _from_contract(tree: ast.Module) -> Iterator[ast.alias]:
    """What is imported from ``cache.stage`` under a name that means nothing else in the module."""
    contract = [s for s in tree.body if isinstance(s, ast.ImportFrom) and s.module == "cache.stage" and not s.level]
    if not contract:
        return
    bound: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.append(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.append(node.name)
        elif isinstance(node, ast.alias):
            bound.append(node.asname or node.name)
    yield from (alias for statement in contract for alias in statement.names if bound.count(alias.asname or alias.name) == 1)


def _is_call(value: ast.expr | None, name: str, imported: dict[str, str]) -> bool:
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and imported.get(value.func.id) == name):
        return False
    parts = [part for argument in [*value.args, *value.keywords] for part in ast.walk(argument)]
    return all(isinstance(part, VALUE_SYNTAX) for part in parts)


def _is_declaration(statement: ast.stmt, imported: dict[str, str]) -> bool:
    return isinstance(statement, ast.Assign | ast.AnnAssign) and bool(_targets(statement)) and _is_call(statement.value, "Stage", imported)


def _targets(statement: ast.stmt) -> list[ast.Name]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
    names = [target for target in targets if isinstance(target, ast.Name)]
    return names if len(names) == len(targets) else []


def _params_records(stages: list[ast.stmt], records: dict[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """The classes named as ``params`` of the stages, and their bases in this module."""
    queue: list[str] = []
    for statement in stages:
        assert isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call)
        call = statement.value
        queue += [a.id for a in call.args[2:3] if isinstance(a, ast.Name)]
        queue += [k.value.id for k in call.keywords if k.arg == "params" and isinstance(k.value, ast.Name)]
    found: dict[str, ast.ClassDef] = {}
    while queue:
        name = queue.pop()
        if name in records and name not in found and _is_dataclass(records[name]):
            found[name] = records[name]
            queue += [base.id for base in records[name].bases if isinstance(base, ast.Name)]
    return list(found.values())


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(isinstance(n, ast.Name) and n.id == "dataclass" for n in names)


def _spoken_of_in_methods(tree: ast.Module) -> Iterator[str]:
    for record in tree.body:
        for method in record.body if isinstance(record, ast.ClassDef) else ():
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from (node.id for node in ast.walk(method) if isinstance(node, ast.Name))


def _depending(tree: ast.Module, names: set[str]) -> set[str]:
    """``names`` and all names at module level whose definitions speak of them, directly or through others."""
    speaks: dict[str, set[str]] = {}
    for statement in tree.body:
        loaded = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        defined = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined = {statement.name}
        for name in defined:
            speaks.setdefault(name, set()).update(loaded)
    result = set(names)
    while more := {name for name, loaded in speaks.items() if loaded & result} - result:
        result |= more
    return result
