"""The settings and the shared nodes that the pipeline provides to the graphs of systems, reduced to their contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cache.option import settled
from cache.stage import Config, Node, Shared, Stage, keyed_params

Nodes = Callable[[Config, Shared], Iterator[Node]]


class Settings:
    """``student__epochs=7`` is the key ``student.epochs``; a key of ``student`` holds in ``student.kd`` too."""

    def __init__(self, **values: Any) -> None:
        self.values = {key.replace("__", "."): value for key, value in values.items()}
        self.seeds = [0, 1]

    def params(self, section: str, cls: type, *, idle: Mapping[str, str] | None = None, **fixed: Any) -> Any:
        found: dict[str, Any] = {}
        parts = section.split(".")
        for wider in (getattr(cls, "falls_back_to", section), *(".".join(parts[:n]) for n in range(1, len(parts) + 1))):
            found |= {key.removeprefix(f"{wider}."): value for key, value in self.values.items() if key.startswith(f"{wider}.")}
        own = {key: value for key, value in found.items() if "." not in key and key not in (idle or {})}
        return settled(cls(**{**own, **fixed}), keep=tuple(fixed))

    def graph(self, cls: type) -> Any:
        return self.params("graph", cls)

    def imported_weights(self, backbone: str, name: str) -> str:
        return ""


def shared(stage: str, use: str = "", *, reads: Mapping[str, Node] | None = None, **fixed: Any) -> Node:
    """A node of that name that does nothing."""
    return Node(f"{stage}.{use}" if use else stage, Stage(stage, "nowhere:run", object), fixed, reads)


class Given:
    """The shared nodes, and the kinds that were imported: ``{"mm_features": "extract.mm_features"}``."""

    def __init__(self, imported: Mapping[str, str] | None = None) -> None:
        self._imported = imported or {}

    __call__ = staticmethod(shared)

    def imported(self, kind: str) -> Node | None:
        return shared(*self._imported[kind].split(".", 1)) if kind in self._imported else None


def graph(nodes: Nodes, imported: Mapping[str, str] | None = None, **values: Any) -> dict[str, Node]:
    """The system's own nodes by name, under these settings."""
    return {node.name: node for node in nodes(Settings(**values), Given(imported))}


def changed(nodes: Nodes, **values: Any) -> set[str]:
    """Names of the nodes whose keyed parameters or inputs differ from those of the defaults."""
    before, after = graph(nodes), graph(nodes, **values)
    return {n for n in after if n not in before or keyed_params(after[n]) != keyed_params(before[n]) or after[n].reads != before[n].reads}
