"""The code fingerprint of a stage: digests of the syntax trees of every project module that it can reach.

Starting from the stage's entry module, all imports (also those inside functions) are followed through the project's
own packages. Comments, layout, docstrings, annotations, ``TYPE_CHECKING`` blocks and the order of neighbouring imports
don't count; any changed statement, constant, default or decorator does. Nothing is imported: the text is parsed.

Two kinds of code are left out, on purpose and by name:

* :data:`NEUTRAL` modules cannot change a result: the store itself, errors, the pipeline's face.
* In a module that declares stages (it assigns ``Stage(...)``), the declarations, the fields of parameter records and
  the graph function ``nodes``: their values reach the key one by one as parameters, inputs and entry.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import StoreError

#: Packages of the project; imports of anything else are the environment's business.
PACKAGES = ("cache", "pipeline", "stages", "systems", "models")

#: Modules that cannot change the bytes of a result. ``cache.pack`` and ``cache.hdf5`` can, so they are not here.
NEUTRAL = frozenset(
    {
        "cache",
        "cache.digest",
        "cache.errors",
        "cache.faults",
        "cache.fingerprint",
        "cache.fs",
        "cache.items",
        "cache.ledger",
        "cache.locks",
        "cache.members",
        "cache.memo",
        "cache.names",
        "cache.record",
        "cache.shard",
        "cache.stage",
        "cache.store",
        "cache.timings",
    }
)

#: Raise when the normal form below changes: memoised module digests are then computed anew.
NORMAL_FORM = 1

#: Name under which statements at module level are listed among a module's definitions.
TOP = "<module>"


@dataclass(frozen=True)
class Module:
    """What the fingerprint knows of one module: digest of its normal form, digest per definition, modules it imports."""

    digest: str
    definitions: dict[str, str]
    imports: tuple[str, ...]


class Fingerprint:
    """Computes code fingerprints of a source tree; parsed modules are remembered by the digest of their text.

    ``memo`` is a file that carries that memory from one process to the next (it may be deleted at any time).
    """

    def __init__(self, root: Path, memo: Path | None = None) -> None:
        self.root = root
        self.memo = memo
        self._by_text: dict[str, Module] = {}
        self._modules: dict[str, Module | None] = {}
        self._dirty = False
        if memo is not None and memo.exists():
            self._load(memo)

    def closure(self, entry: str, extra: Iterable[str] = ()) -> dict[str, Module]:
        """Return module name -> :class:`Module` for everything reachable from module ``entry`` and from ``extra``.

        Raises StoreError if one of the named modules does not exist.
        """
        found: dict[str, Module] = {}
        queue = [entry, *extra]
        for name in queue:
            if self._module(name) is None:
                raise StoreError(f"there is no module {name} in the source tree")
        while queue:
            name = queue.pop()
            if name in found or name in NEUTRAL:
                continue
            module = self._module(name)
            if module is None:
                continue
            found[name] = module
            queue.extend(module.imports)
            queue.extend(_parents(name))
        return dict(sorted(found.items()))

    def save(self) -> None:
        """Write the memory of parsed modules, if it grew."""
        if self.memo is None or not self._dirty:
            return
        rows = {text: [m.digest, m.definitions, list(m.imports)] for text, m in self._by_text.items()}
        self.memo.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.memo.with_suffix(f".{id(self)}.tmp")
        temporary.write_text(json.dumps({"form": NORMAL_FORM, "modules": rows}))
        temporary.replace(self.memo)
        self._dirty = False

    def _load(self, memo: Path) -> None:
        try:
            stored = json.loads(memo.read_text())
        except ValueError:
            return
        if stored.get("form") == NORMAL_FORM:
            self._by_text = {
                text: Module(digest, definitions, tuple(imports)) for text, (digest, definitions, imports) in stored["modules"].items()
            }

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            path = self.source(name)
            self._modules[name] = None if path is None else self._read(name, path)
        return self._modules[name]

    def source(self, name: str) -> Path | None:
        """The file of module ``name``, or None if it is not a module of the project."""
        if name.split(".")[0] not in PACKAGES:
            return None
        base = self.root.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
        return None

    def _read(self, name: str, path: Path) -> Module:
        text = path.read_bytes()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        key = hashlib.sha256(name.encode() + b"\0" + text).hexdigest()
        if key not in self._by_text:
            try:
                tree = ast.parse(text)
            except SyntaxError as error:
                raise StoreError(f"{path.relative_to(self.root)} line {error.lineno}: {error.msg}", hint="mend it and run again") from error
            self._by_text[key] = Module(*_digest_module(tree), tuple(sorted(set(_imports(tree, package)))))
            self._dirty = True
        return self._by_text[key]


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Every dotted name that the module may import; names that turn out not to be modules are dropped by the caller."""
    for node in ast.walk(_without_type_checking(tree)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = ".".join(parts[: len(parts) - node.level + 1])
                base = f"{above}.{base}" if base else above
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and _called_name(node) in ("import_module", "__import__"):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _digest_module(tree: ast.Module) -> tuple[str, dict[str, str]]:
    declares = any(isinstance(s, ast.Assign | ast.AnnAssign) and _is_stage_call(s.value) for s in tree.body)
    tree = _Normalise(declares).visit(_without_type_checking(tree))
    definitions: dict[str, str] = {}
    _collect(tree.body, "", definitions)
    whole = hashlib.sha256(json.dumps(sorted(definitions.items())).encode()).hexdigest()
    return whole, definitions


def _collect(body: list[ast.stmt], prefix: str, definitions: dict[str, str]) -> None:
    """Digest functions and classes by qualified name; what is left of a body goes under its owner's name, in order."""
    rest: list[str] = []
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{statement.name}"
            while name in definitions:  # overloads, properties with setters
                name += "'"
            definitions[name] = _digest(ast.dump(statement))
            rest.append(name)
        elif isinstance(statement, ast.ClassDef):
            name = f"{prefix}{statement.name}"
            _collect(statement.body, f"{name}.", definitions)
            shell = ast.ClassDef(
                name=statement.name, bases=statement.bases, keywords=statement.keywords, body=[], decorator_list=statement.decorator_list
            )
            rest.append(ast.dump(shell))
        else:
            rest.append(ast.dump(statement))
    definitions[f"{prefix[:-1]}" if prefix else TOP] = _digest("\n".join(rest))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _is_stage_call(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Stage"


def _without_type_checking(tree: ast.Module) -> Any:
    return _DropTypeChecking().visit(tree)


class _DropTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> Any:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
        if name == "TYPE_CHECKING":
            return node.orelse or None
        return self.generic_visit(node)


class _Normalise(ast.NodeTransformer):
    """Bring a module to its normal form."""

    def __init__(self, declares_stages: bool) -> None:
        self.declares_stages = declares_stages

    def _body(self, node: Any) -> Any:
        body = node.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            node.body = body[1:] or [ast.Pass()]
        self.generic_visit(node)
        node.body = _sorted_imports(node.body)
        return node

    def visit_Module(self, node: ast.Module) -> Any:
        if self.declares_stages:
            node.body = [s for s in node.body if not _is_declaration(s)]
        return self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        if self.declares_stages and _is_dataclass(node):
            node.body = [s for s in node.body if not isinstance(s, ast.AnnAssign)] or [ast.Pass()]
        return self._body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        return self._body(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        node.returns = None
        return self._body(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if node.value is None and not isinstance(node.target, ast.Name):
            return None
        node.annotation = ast.Constant(value=None)
        return node


def _is_declaration(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return _is_stage_call(statement.value)
    return isinstance(statement, ast.FunctionDef) and statement.name == "nodes"


def _is_dataclass(node: ast.ClassDef) -> bool:
    names = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(isinstance(n, ast.Name) and n.id == "dataclass" for n in names)


def _sorted_imports(body: list[ast.stmt]) -> list[ast.stmt]:
    """Sort runs of neighbouring imports; ``from __future__`` (annotations only) is dropped."""
    result: list[ast.stmt] = []
    run: list[ast.stmt] = []
    for statement in [*body, None]:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            if not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
                statement.names.sort(key=lambda alias: (alias.name, alias.asname or ""))
                run.append(statement)
            continue
        result.extend(sorted(run, key=ast.dump))
        run = []
        if statement is not None:
            result.append(statement)
    return result


def unseen(loaded: Iterable[str], known: Mapping[str, Module]) -> list[str]:
    """Project modules among ``loaded`` (names in ``sys.modules``) that a fingerprint of the modules ``known`` does not cover."""
    return sorted(
        name
        for name in loaded
        if name.split(".")[0] in PACKAGES and name.split(".")[0] != "pipeline" and name not in known and name not in NEUTRAL
    )
