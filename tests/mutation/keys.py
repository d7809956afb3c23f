"""Computes the real keys of a graph from a source tree, with mutated declarations: a program, run in the tree.

It prints a JSON line for the tree as it is: node -> [what the declaration says, key]. Then it reads edits, one JSON line each
(``{"stages/index/__init__.py": "text"}``; a list of bytes for what is no text, null for a file that is gone), and prints the keys after
each, or an error. What a node reads stands in its key by the key of the node that makes it, as if equal keys made equal bytes.

Every answer comes from a fork that has not loaded before what is edited, nor what imports that. Which modules of the tree stand behind
the keys, and what they contribute, the first fork tells all later ones: they load and parse what was edited.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path.cwd()
STORE = Path(tempfile.mkdtemp())
#: What the first fork parsed, and which modules of the project it loaded.
MEMORY, LOADED = STORE / "parsed.json", STORE / "loaded.json"
#: They load no declaration.
LIGHT = (
    "yaml", "importlib.metadata", "cache.store", "cache.stage", "cache.fingerprint", "pipeline.config", "pipeline.graph", "pipeline.judge",
    "media.codings.table", "models.backbones.registry", "models.experts.registry", "models.inference.runtimes", "models.weights",
)  # fmt: skip
#: Where declarations lie.
DECLARING = ("stages.", "systems.")
#: What a declaration says.
SAID = ("name", "version", "entry", "facets", "libraries", "params", "modules", "data", "files", "reads")


def keys(fingerprint: Any) -> dict[str, list[str]]:
    """Load the graph anew and key every node."""
    graph_module, judge_module = importlib.import_module("pipeline.graph"), importlib.import_module("pipeline.judge")
    config = importlib.import_module("pipeline.config").Config("bare", "videoqa", [])

    class Judge(judge_module.Judge):  # type: ignore[misc, name-defined]
        def inputs(self, node: Any) -> dict[str, Any]:
            return {alias: SimpleNamespace(object=found[name][1]) for alias, name in node.reads.items()}

    graph = graph_module.build(config)
    judge = Judge(importlib.import_module("cache.store").Store(STORE), graph, device="cpu", read_files=True, source_tree=ROOT)
    judge.fingerprint = fingerprint
    found: dict[str, list[str]] = {}
    for name, node in graph.nodes.items():
        reads = {alias: hashlib.sha256(found[read][0].encode()).hexdigest() for alias, read in node.reads.items()}
        found[name] = [said(node, reads), judge.key(node).digest]
    return found


def said(node: Any, reads: dict[str, str]) -> str:
    """All that a node's declaration says about its result, read without the code that makes keys."""
    stage = node.stage
    kept = {f.name: repr(getattr(node.params, f.name)) for f in dataclasses.fields(node.params) if f.metadata.get("keyed", True)}
    modules = getattr(node.params, stage.modules) if isinstance(stage.modules, str) else stage.modules
    packages = getattr(node.params, stage.libraries) if isinstance(stage.libraries, str) else stage.libraries
    data = (
        [(p.name, hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "") for p in getattr(node.params, stage.data)]
        if stage.data
        else []
    )
    files = [(f, getattr(node.params, f)) for f in stage.files if getattr(node.params, f)]
    whole = (
        stage.name, stage.version, stage.entry, sorted(stage.facets), sorted(packages), kept, sorted(modules), data, files,
        sorted(reads.items()),
    )  # fmt: skip
    return json.dumps(dict(zip(SAID, whole, strict=True)), sort_keys=True)


def answer(fingerprint: Any, edit: Iterable[str] = ()) -> str:
    """The keys as they are now, computed in a child that loads the modules of an edit."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with importlib.import_module("cache.loaded").aside(reached(set(edit), fingerprint)):
                text = json.dumps(keys(fingerprint))
            fingerprint.save()
            if not LOADED.exists():
                packages = importlib.import_module("cache.syntax").PACKAGES
                LOADED.write_text(json.dumps([name for name in sys.modules if name.partition(".")[0] in packages]))
        except BaseException as error:  # noqa: BLE001 - a mutant may fail in any way
            text = json.dumps({"error": f"{type(error).__name__}: {error}"})
        with os.fdopen(write, "w") as pipe:
            pipe.write(text)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def reached(edit: set[str], fingerprint: Any) -> set[str]:
    """The modules of an edit, and the declarations that import them."""
    found, more = set(edit), edit & sys.modules.keys()
    while more:
        found |= more
        others = {name: fingerprint._module(name).imports for name in sys.modules if name.startswith(DECLARING) and name not in found}
        more = {name for name, told in others.items() if any(f"{other}.".startswith(f"{one}.") for other in told for one in found)}
    return found


@contextlib.contextmanager
def edited(edit: dict[str, Any]) -> Iterator[None]:
    """The tree with other contents of some files."""
    kept = [(ROOT / name, (ROOT / name).read_bytes(), (ROOT / name).stat()) for name in edit]
    for name, new in edit.items():
        if new is None:
            (ROOT / name).unlink()
        else:
            (ROOT / name).write_bytes(new.encode() if isinstance(new, str) else bytes(new))
    try:
        yield
    finally:
        for path, content, stat in kept:
            path.write_bytes(content)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # its bytecode is good again


def module_of(name: str) -> str:
    """The dotted name of the module in a file of the tree."""
    return ".".join(Path(name).with_suffix("").parts).removesuffix(".__init__")


def main() -> None:
    """Answer for the tree as it is, then for one edit after another."""
    sys.path.insert(0, str(ROOT))
    for name in LIGHT:
        importlib.import_module(name)
    declaring = [name for name in sys.modules if name.startswith(DECLARING)]
    assert not declaring, declaring
    again = importlib.import_module("again")
    print(first := answer(again.Fingerprint(ROOT, MEMORY)), flush=True)  # noqa: T201
    whole = again.Fingerprint(ROOT, MEMORY)
    for what, _ in json.loads(first).values():
        declared = json.loads(what)
        whole.closure(declared["entry"].partition(":")[0], declared["modules"])
    for name in json.loads(LOADED.read_text()):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what all forks share is copied for none of them
    for line in sys.stdin:
        edit = json.loads(line)
        with edited(edit):
            names = [module_of(name) for name in edit]
            told = answer(again.after_edit(whole, names), names)
        print(told, flush=True)  # noqa: T201 - the tree is as it was before anyone reads this


if __name__ == "__main__":
    main()
