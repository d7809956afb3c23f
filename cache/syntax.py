"""What one module contributes to a code fingerprint, read from its text: digests of its definitions, what it imports, what it speaks of.

The module is parsed, never imported, and brought to a normal form (:mod:`cache.normal_form`). What only the whole closure can decide is
decided in :mod:`cache.fingerprint`.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cache.declarations import declarations
from cache.normal_form import dump, normal_form, walk, without_type_checking
from cache.values import VALUE, values

#: Packages of the project; imports of anything else are the environment's business.
PACKAGES = ("cache", "pipeline", "stages", "systems", "models", "media", "formats", "world")

#: Names under which more than functions and classes is listed among a module's definitions.
TOP = "<module>"
ORDER = "<order of imports>"
TEXT = "<text>"

#: A module that imports or names one of these reads annotations, docstrings or source when it runs.
READERS = frozenset(
    {
        "__annotations__", "__doc__", "beartype", "co_firstlineno", "doctest", "f_lineno", "fire", "get_annotations", "get_type_hints",
        "getdoc", "getsource", "inspect", "jit", "linecache", "pydantic", "pydoc", "singledispatch", "singledispatchmethod",
        "tb_lineno", "typeguard", "typer",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Module:
    """What the fingerprint knows of one module.

    digest:      of the definitions. definitions: name -> digest of its normal form; for a name that begins with :data:`VALUE`, which
                 the digest leaves out, the text of a short value.
    imports:     dotted names that it may import, in the order of the text; not all of them are modules.
    text:        digest of the text as it stands. reads_text: it looks at annotations, docstrings or source at run time.
    uses:        dotted names of imported things that its code speaks of. declares: its own names that depend on a declaration.
    """

    digest: str
    definitions: dict[str, str]
    imports: tuple[str, ...] = ()
    text: str = ""
    reads_text: bool = False
    uses: tuple[str, ...] = ()
    declares: tuple[str, ...] = ()


def parse(text: bytes, package: str, *, is_package: bool) -> Module:
    """The module with this text; relative names in it are names in ``package``. Raises SyntaxError or ValueError if it is no Python."""
    tree = ast.parse(text)
    if b"TYPE_CHECKING" in text:
        tree = without_type_checking(tree)
    nodes = walk(tree)
    imports = tuple(dict.fromkeys(_imports(nodes, package)))
    reads_text = any(word in READERS for word in _words(nodes))
    declared = declarations(tree)
    tree = normal_form(tree, declared)
    definitions: dict[str, str] = {}
    _collect(tree.body, "", definitions, ["package"] if is_package else [])
    definitions |= values(tree.body)
    return Module(
        digest=digest_definitions(definitions),
        definitions=definitions,
        imports=imports,
        text=short_digest(text),
        reads_text=reads_text,
        uses=tuple(sorted(_uses(walk(tree), package))),
        declares=tuple(sorted(declared.names)),
    )


def opaque(content: bytes) -> Module:
    """A compiled extension, or bytecode without a text: all of its bytes count."""
    text = short_digest(content)
    return Module(text, {TEXT: text}, text=text)


def _imports(module: list[ast.AST], package: str) -> Iterator[str]:
    """Every dotted name that the module may import, in order; names that turn out not to be modules are dropped by the caller."""
    nodes = [n for n in module if isinstance(n, ast.Import | ast.ImportFrom | ast.Call)]
    callers = {"import_module", "__import__"}
    callers |= {a.asname for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names if a.name in callers and a.asname}
    for node in sorted(nodes, key=lambda n: (n.lineno, n.col_offset)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif _called_name(node) in callers:
            first = [*node.args, *(k.value for k in node.keywords if k.arg == "name")][:1]
            if first and isinstance(first[0], ast.Constant) and isinstance(first[0].value, str):
                yield _absolute(first[0].value, package)


def _absolute(name: str, package: str) -> str:
    """``"..net"`` as seen from a package -> ``"models.net"``."""
    rest = name.lstrip(".")
    level = len(name) - len(rest)
    if not level:
        return name
    parts = package.split(".")
    above = ".".join(parts[: max(0, len(parts) - level + 1)])
    return f"{above}.{rest}" if rest else above


def _called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _words(module: list[ast.AST]) -> Iterator[str]:
    """Names, attributes, parts of imported names, and strings that look like a name of Python's own (``getattr(x, "__doc__")``)."""
    for node in module:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("__"):
            yield node.value


def _uses(module: list[ast.AST], package: str) -> Iterator[str]:
    """Dotted names of imported things that the code speaks of, as far as attributes lead."""
    meaning: dict[str, set[str]] = {}
    for node in module:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                meaning.setdefault(name, set()).add(alias.name if alias.asname else name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            for alias in node.names:
                meaning.setdefault(alias.asname or alias.name, set()).add(f"{base}.{alias.name}")
    meaning = {name: {m for m in found if m.split(".")[0] in PACKAGES} for name, found in meaning.items()}
    for node in module:
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            yield from (".".join([m, *attributes]) for m in meaning.get(node.id, ()))


def _collect(body: list[ast.stmt], prefix: str, definitions: dict[str, str], rest: list[str]) -> None:
    """Digest functions and classes by qualified name; what is left of a body goes under its owner's name, in order."""
    owner = prefix[:-1] or TOP
    definitions[owner] = ""  # the name is taken, also by what the body itself defines
    for statement in body:
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            rest.append(dump(statement))
            continue
        name = f"{prefix}{statement.name}"
        while name in definitions:  # overloads, properties with setters, a class that replaces another
            name += "'"
        if isinstance(statement, ast.ClassDef):
            inner, statement.body = statement.body, []
            _collect(inner, f"{name}.", definitions, [])
            rest.append(f"{name} {dump(statement)}")
        else:
            definitions[name] = short_digest(dump(statement))
            rest.append(name)
    definitions[owner] = short_digest("\n".join(rest))


def digest_definitions(definitions: Mapping[str, str]) -> str:
    counted = sorted((name, digest) for name, digest in definitions.items() if not name.startswith(VALUE))
    return hashlib.sha256(json.dumps(counted).encode()).hexdigest()


def short_digest(text: bytes | str) -> str:
    """Half a sha256: names and texts of modules are told apart by it."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:32]
