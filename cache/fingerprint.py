"""The code fingerprint of a stage: digests of the syntax trees of every project module that it can reach.

Starting from the stage's entry module, all imports (also those inside functions) are followed through the project's
own packages. Each module is parsed, never imported, and brought to a normal form (:mod:`cache.normal_form`): comments,
layout, docstrings, annotations of functions and the order of neighbouring imports don't count; any changed statement,
constant, default or decorator does.

Two kinds of code are left out, on purpose and by name: :data:`NEUTRAL` modules, which cannot change a result, and
declarations, which reach the key as values (:mod:`cache.declarations`).

Three things are decided for the whole closure, since no module knows them by itself:

* project modules run when they are first imported, so the order in which a module imports them counts;
* if any module reads annotations, docstrings or source at run time, the text of all modules counts as it stands;
* if another module uses a declaration at run time, the text of the declaring module counts as it stands.

What is reached by a name that is put together at run time is not seen: a stage lists it in ``Stage.modules``, and
:func:`unseen` finds what it forgot.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from cache.bytecode import drop_stale
from cache.declarations import declarations
from cache.errors import StoreError
from cache.normal_form import dump, normal_form, without_type_checking
from cache.values import VALUE, values

#: Packages of the project; imports of anything else are the environment's business.
PACKAGES = ("cache", "pipeline", "stages", "systems", "models", "media", "formats", "world")

#: Modules that cannot change the bytes of a result. ``cache.pack``, ``cache.hdf5``, ``cache.fletcher32``, ``cache.ragged``,
#: ``cache.digest`` and ``cache.ledger`` can: stages write what they compute.
NEUTRAL = frozenset(
    {
        "cache",
        "cache.arrival",
        "cache.bytecode",
        "cache.declarations",
        "cache.directory",
        "cache.errors",
        "cache.faults",
        "cache.fingerprint",
        "cache.fs",
        "cache.fsck",
        "cache.gc",
        "cache.items",
        "cache.layout",
        "cache.leftovers",
        "cache.listing",
        "cache.loaded",
        "cache.locks",
        "cache.machine",
        "cache.members",
        "cache.memo",
        "cache.mounts",
        "cache.names",
        "cache.normal_form",
        "cache.option",
        "cache.pins",
        "cache.publication",
        "cache.record",
        "cache.remote",
        "cache.repair",
        "cache.shard",
        "cache.stage",
        "cache.store",
        "cache.timings",
        "cache.transfer",
        "cache.upstream",
        "cache.url",
        "cache.values",
    }
)

#: They can change a result, and every process loads them.
EVERYWHERE = frozenset({"cache.digest", "cache.ledger"})

#: Raise when the normal form changes: memoised module digests are then computed anew.
NORMAL_FORM = 4

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


class Fingerprint:
    """Computes code fingerprints of a source tree; parsed modules are remembered by the digest of their text.

    ``memo`` is a file that carries that memory from one process to the next (it may be deleted at any time).
    """

    #: How many parsed modules the memory may hold before those that were not asked for are forgotten.
    MEMORY = 2000

    def __init__(self, root: Path, memo: Path | None = None) -> None:
        self.root = root
        self.memo = memo
        self._by_text: dict[str, Module] = {}
        self._modules: dict[str, Module | None] = {}
        self._asked: set[str] = set()
        self._dirty = False
        if memo is not None:
            self._load(memo)

    def closure(self, entry: str, extra: Iterable[str] = ()) -> dict[str, Module]:
        """Return module name -> :class:`Module` for everything reachable from module ``entry`` and from ``extra``.

        Raises StoreError if one of the named modules does not exist.
        """
        found: dict[str, Module] = {}
        roots = {entry, *extra}
        queue = sorted(roots)
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
            queue.extend(self._reached(module))
            queue.extend(_parents(name))
        reads_text = any(module.reads_text for module in found.values())
        uses = {name for module in found.values() for name in (*module.uses, *(n for n in module.imports if n.endswith(".*")))}
        uses |= {f"{root}.*" for root in roots}  # an entry that stands beside declarations
        return {name: self._in_context(name, found, uses, reads_text) for name in sorted(found)}

    def _reached(self, module: Module) -> Iterator[str]:
        """Names that the module's imports may load; a star may load every module of a package."""
        for name in module.imports:
            yield name
            if name.endswith(".*"):
                folder = self.root.joinpath(*name.split(".")[:-1])
                stems = sorted(path.stem for path in folder.glob("*") if path.is_dir() or path.suffix == ".py")
                yield from (f"{name[:-2]}.{stem}" for stem in stems if not stem.startswith("__"))

    def _in_context(self, name: str, closure: Mapping[str, Module], uses: set[str], reads_text: bool) -> Module:
        """A module as the other modules of the closure see it."""
        module = closure[name]
        if reads_text or (module.declares and (f"{name}.*" in uses or any(f"{name}.{own}" in uses for own in module.declares))):
            more = {TEXT: module.text}
        else:
            order = list(dict.fromkeys(reached for reached in self._reached(module) if reached in closure))
            more = {ORDER: _digest("\n".join(order))} if len(order) > 1 else {}
        definitions = {**module.definitions, **more}
        return dataclasses.replace(module, digest=_digest_definitions(definitions), definitions=definitions) if more else module

    def save(self) -> None:
        """Write the memory of parsed modules, if it grew; where it cannot be written, they are parsed again next time."""
        if self.memo is None or not self._dirty:
            return
        kept = self._by_text if len(self._by_text) <= self.MEMORY else {key: self._by_text[key] for key in self._asked}
        content = json.dumps({key: list(dataclasses.astuple(module)) for key, module in kept.items()})
        temporary = self.memo.with_suffix(f".{secrets.token_hex(8)}.tmp")
        with contextlib.suppress(OSError):
            try:
                self.memo.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_text(f"{_memo_seal(content)}\n{content}\n")
                temporary.replace(self.memo)
            finally:
                temporary.unlink(missing_ok=True)
        self._dirty = False

    def _load(self, memo: Path) -> None:
        """Read the memory; one that is damaged, or of another normal form or Python, is as good as none."""
        try:
            seal, _, content = memo.read_text().removesuffix("\n").partition("\n")
        except (OSError, UnicodeDecodeError):
            return
        if seal == _memo_seal(content):
            self._by_text = {key: _module_of(row) for key, row in json.loads(content).items()}

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            path = self.source(name)
            self._modules[name] = None if path is None else self._read(name, path)
        return self._modules[name]

    def source(self, name: str) -> Path | None:
        """The file of module ``name``, or None if it is not a module of the project.

        As Python does, a package is taken before a module of the same name, an extension before a text, a text before bytecode.
        """
        if name.split(".")[0] not in PACKAGES:
            return None
        base = self.root.joinpath(*name.split("."))
        for folder, stem in ((base, "__init__"), (base.parent, base.name)):
            try:
                there = {entry.name for entry in os.scandir(folder)}  # one listing costs less than to look for every suffix
            except OSError:
                continue
            for suffix in (*EXTENSION_SUFFIXES, ".py", *BYTECODE_SUFFIXES):
                file = f"{stem}{suffix}"
                if file in there and (path := folder / file).is_file():
                    return path
        return None

    def _read(self, name: str, path: Path) -> Module:
        text = path.read_bytes()
        is_package = path.name.startswith("__init__.")
        key = hashlib.sha256(f"{name}\0{is_package}\0".encode() + text).hexdigest()
        self._asked.add(key)
        is_new = key not in self._by_text
        if is_new:
            self._by_text[key] = self._parse(name, path, text, is_package) if path.suffix == ".py" else _opaque(text)
            self._dirty = True
        if path.suffix == ".py":
            drop_stale(name, path, text, is_new=is_new)
        return self._by_text[key]

    def _parse(self, name: str, path: Path, text: bytes, is_package: bool) -> Module:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line, what = (error.lineno, error.msg) if isinstance(error, SyntaxError) else (1, str(error))
            raise StoreError(f"{path.relative_to(self.root)} line {line}: {what}", hint="mend it and run again") from error
        if b"TYPE_CHECKING" in text:
            tree = without_type_checking(tree)
        package = name if is_package else name.rpartition(".")[0]
        nodes = list(ast.walk(tree))
        imports = tuple(dict.fromkeys(_imports(nodes, package)))
        reads_text = any(word in READERS for word in _words(nodes))
        declared = declarations(tree)
        tree = normal_form(tree, declared)
        definitions: dict[str, str] = {}
        _collect(tree.body, "", definitions, ["package"] if is_package else [])
        definitions |= values(tree.body)
        return Module(
            digest=_digest_definitions(definitions),
            definitions=definitions,
            imports=imports,
            text=hashlib.sha256(text).hexdigest()[:32],
            reads_text=reads_text,
            uses=tuple(sorted(_uses(list(ast.walk(tree)), package))),
            declares=tuple(sorted(declared.names)),
        )


def unseen(loaded: Iterable[str], known: Mapping[str, Module], declared: Iterable[str] = ()) -> list[str]:
    """Name the project modules among ``loaded`` (names of ``sys.modules``) on which a result may depend without its key knowing.

    ``known`` is the closure of the node. Not meant are neutral modules, the pipeline, the packages of stages and systems (every
    process loads all declarations), and ``declared``: what the process had loaded before it loaded the stage.
    """
    accepted = {*known, *NEUTRAL, *EVERYWHERE, *declared}
    return sorted({name for name in loaded if name not in accepted and _is_work(name)})


def _is_work(name: str) -> bool:
    top, *rest = name.split(".")
    return top in PACKAGES and top != "pipeline" and len(rest) > (1 if top in ("stages", "systems") else 0)


def memo_is_sound(data: bytes) -> bool:
    """Whether ``data`` is a memory of parsed modules as some version of this wrote it, bit by bit."""
    seal, _, content = data.partition(b"\n")
    form, _, digest = seal.rpartition(b" ")
    sound = hashlib.sha256(form + b"\n" + content.removesuffix(b"\n")).hexdigest().encode() == digest
    return sound and content.endswith(b"\n")


def _memo_seal(content: str) -> str:
    form = f"{NORMAL_FORM} {sys.version_info[0]}.{sys.version_info[1]}"
    return f"{form} {hashlib.sha256(f'{form}{chr(10)}{content}'.encode()).hexdigest()}"


def _module_of(row: list[Any]) -> Module:
    digest, definitions, imports, text, reads_text, uses, declares = row
    return Module(digest, definitions, tuple(imports), text, reads_text, tuple(uses), tuple(declares))


def _opaque(content: bytes) -> Module:
    """A compiled extension, or bytecode without a text: all of its bytes count."""
    text = hashlib.sha256(content).hexdigest()[:32]
    return Module(text, {TEXT: text}, text=text)


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


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
            definitions[name] = _digest(dump(statement))
            rest.append(name)
    definitions[owner] = _digest("\n".join(rest))


def _digest_definitions(definitions: Mapping[str, str]) -> str:
    counted = sorted((name, digest) for name, digest in definitions.items() if not name.startswith(VALUE))
    return hashlib.sha256(json.dumps(counted).encode()).hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
