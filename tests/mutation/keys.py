"""Computes the real keys of a graph from a source tree, with mutated declarations: a program, run in the tree.

    python keys.py < {"edits": [["stages/index/__init__.py", "text"], ...]}

Prints one JSON line an edit (and one for the unedited tree first): node -> [what the declaration says, key], or an error.
What a node reads stands in its key by the key of the node that makes it, as if equal keys made equal bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path.cwd()
STORE = Path(tempfile.mkdtemp())


def keys() -> dict[str, list[str]]:
    """Load the graph anew and key every node."""
    graph_module, judge_module = importlib.import_module("pipeline.graph"), importlib.import_module("pipeline.judge")
    config = importlib.import_module("pipeline.config").Config("bare", "videoqa", [])

    class Judge(judge_module.Judge):  # type: ignore[misc, name-defined]
        def inputs(self, node: Any) -> dict[str, Any]:
            return {alias: SimpleNamespace(object=found[name][1]) for alias, name in node.reads.items()}

    graph = graph_module.build(config)
    judge = Judge(importlib.import_module("cache.store").Store(STORE), graph, device="cpu", read_files=True, source_tree=ROOT)
    found: dict[str, list[str]] = {}
    for name, node in graph.nodes.items():
        found[name] = [said(node, {alias: found[read][0] for alias, read in node.reads.items()}), judge.key(node).digest]
    judge.fingerprint.save()
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
    whole = [
        stage.name,
        stage.version,
        stage.entry,
        sorted(stage.facets),
        sorted(packages),
        kept,
        sorted(modules),
        data,
        files,
        sorted(reads.items()),
    ]
    return json.dumps(whole, sort_keys=True)


def answer() -> str:
    """The keys as they are now, computed in a child that has loaded no declaration before."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = json.dumps(keys())
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


def main() -> None:
    """Answer for the tree as it is, then for one edit after another."""
    sys.path.insert(0, str(ROOT))
    light = ("yaml", "importlib.metadata", "cache.store", "cache.stage", "cache.fingerprint", "pipeline.config")
    for name in light:  # they load no declaration
        importlib.import_module(name)
    write = sys.stdout.write
    write(answer() + "\n")
    for name, text in json.load(sys.stdin)["edits"]:
        path = ROOT / name
        original, stat = path.read_bytes(), path.stat()
        path.write_bytes(text.encode() if isinstance(text, str) else bytes(text))
        try:
            write(answer() + "\n")
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # its bytecode is good again


if __name__ == "__main__":
    main()
