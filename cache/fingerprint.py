"""The code fingerprint of a stage: digests of the syntax trees of every project module that it can reach.

Starting from the stage's entry module, all imports (also those inside functions) are followed through the project's
own packages. Each module is parsed, never imported, and brought to a normal form (:mod:`cache.syntax`): comments,
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

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from cache import fs
from cache.bytecode import Stamps, drop_stale, is_settled, stamps
from cache.errors import StoreError
from cache.syntax import ORDER, PACKAGES, TEXT, Module, digest_definitions, opaque, parse, short_digest

#: Modules that cannot change the bytes of a result. ``cache.pack``, ``cache.hdf5``, ``cache.fletcher32``, ``cache.ragged``,
#: ``cache.json_files``, ``cache.digest`` and ``cache.ledger`` can: stages write what they compute.
NEUTRAL = frozenset(
    {
        "cache", "cache.addresses", "cache.arrival", "cache.bytecode", "cache.declarations", "cache.directory", "cache.errors",
        "cache.expendable", "cache.faults", "cache.filling", "cache.finding", "cache.fingerprint", "cache.fs", "cache.fsck", "cache.gc",
        "cache.items", "cache.leftovers", "cache.listing", "cache.loaded", "cache.locks", "cache.lost", "cache.machine", "cache.members",
        "cache.memo", "cache.mounts", "cache.names", "cache.network", "cache.normal_form", "cache.option", "cache.paced", "cache.part",
        "cache.pins", "cache.publication", "cache.record", "cache.remote", "cache.repair", "cache.shard", "cache.stage", "cache.store",
        "cache.syntax", "cache.timings", "cache.transfer", "cache.upstream", "cache.url", "cache.values",
    }
)  # fmt: skip

#: They can change a result, and every process loads them.
EVERYWHERE = frozenset({"cache.digest", "cache.ledger"})

#: Raise when the normal form changes: memoised module digests are then computed anew.
NORMAL_FORM = 4


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
        self._compared: set[str] = set()  # keys of texts with which bytecode need not be compared again
        self._stamps: dict[str, Stamps] = {}
        self._before: dict[str, Stamps] = {}  # of the one after which this one looks
        self._sources: dict[str, Path | None] = {}
        self._modules: dict[str, Module | None] = {}
        self._closures: dict[frozenset[str], dict[str, Module]] = {}
        self._contexts: dict[tuple[str, str], Module] = {}
        self._asked: set[str] = set()
        self._dirty = False
        if memo is not None:
            self._load(memo)
            self._compared = set(self._by_text)

    def anew(self) -> Fingerprint:
        """One that reads the tree as it stands now, and parses only texts that this one has not parsed.

        It compares all bytecode with its text, but for what is younger than its text where neither was touched since this one looked.
        """
        other = Fingerprint(self.root)
        other._by_text, other._before = self._by_text, self._stamps
        return other

    def closure(self, entry: str, extra: Iterable[str] = ()) -> dict[str, Module]:
        """Return module name -> :class:`Module` for everything reachable from module ``entry`` and from ``extra``.

        The tree is read once: the same answer, not to be changed, is given again. Raises StoreError if one of the named modules does
        not exist.
        """
        roots = frozenset({entry, *extra})
        if roots not in self._closures:
            self._closures[roots] = self._closure(roots)
        return self._closures[roots]

    def _closure(self, roots: frozenset[str]) -> dict[str, Module]:
        found: dict[str, Module] = {}
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
            more = {ORDER: short_digest("\n".join(order))} if len(order) > 1 else {}
        if not more:
            return module
        ((kind, digest),) = more.items()
        context = (name, f"{kind} {digest}")
        if context not in self._contexts:
            definitions = {**module.definitions, **more}
            self._contexts[context] = dataclasses.replace(module, digest=digest_definitions(definitions), definitions=definitions)
        return self._contexts[context]

    def save(self) -> None:
        """Write the memory of parsed modules, if it grew; where it cannot be written, they are parsed again next time."""
        if self.memo is None or not self._dirty:
            return
        kept = self._by_text if len(self._by_text) <= self.MEMORY else {key: self._by_text[key] for key in self._asked}
        content = json.dumps({key: list(vars(module).values()) for key, module in kept.items()})
        temporary = self.memo.with_suffix(f".{secrets.token_hex(8)}.tmp")
        with contextlib.suppress(OSError):
            try:
                self.memo.parent.mkdir(parents=True, exist_ok=True)
                fs.share(self.memo.parent, self.memo.parent)
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

        As Python does, a package is taken before a module of the same name, an extension before a text, a text before bytecode. The
        tree is looked at once.
        """
        if name not in self._sources:
            self._sources[name] = self._look(name)
        return self._sources[name]

    def _look(self, name: str) -> Path | None:
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
        self._stamps[name] = now = stamps(path)
        text = path.read_bytes()
        is_package = path.name.startswith("__init__.")
        key = hashlib.sha256(f"{name}\0{is_package}\0".encode() + text).hexdigest()
        self._asked.add(key)
        if key not in self._by_text:
            self._by_text[key] = self._parse(name, path, text, is_package) if path.suffix == ".py" else opaque(text)
            self._dirty = True
        if path.suffix == ".py":
            if self._before.get(name) != now or not is_settled(*now):
                drop_stale(name, path, text, is_new=key not in self._compared)
            self._compared.add(key)
        return self._by_text[key]

    def _parse(self, name: str, path: Path, text: bytes, is_package: bool) -> Module:
        try:
            return parse(text, name if is_package else name.rpartition(".")[0], is_package=is_package)
        except (SyntaxError, ValueError) as error:
            line, what = (error.lineno, error.msg) if isinstance(error, SyntaxError) else (1, str(error))
            raise StoreError(f"{path.relative_to(self.root)} line {line}: {what}", hint="mend it and run again") from error


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


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])
