"""The graph of a dataset x system: which nodes there are, what they read, and in which order they can run."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import ConfigError, nearest
from cache.stage import Node
from pipeline.config import Config
from pipeline.shared import Shared, report_node

#: What people call a group of nodes: target -> stages.
ALIASES = {
    "features": ("extract", "ingest", "derive", "sample"),
    "demo": ("report",),
    "all": ("report",),
}


@dataclass(frozen=True)
class Graph:
    """Nodes by name, in an order in which every node comes after what it reads."""

    config: Config
    nodes: dict[str, Node]

    def select(self, target: str) -> list[str]:
        """Names of the nodes that ``target`` means: a node, a stage, the beginning of a node's name, or an alias.

        The name of a node means that node, also where another's name begins with it. Raises ConfigError naming the nearest target.
        """
        if target in self.nodes:
            return [target]
        for prefix in ALIASES.get(target, (target,)):
            chosen = [name for name in self.nodes if name == prefix or name.startswith(f"{prefix}.")]
            if chosen:
                return chosen
        known = {name.split(".")[0] for name in self.nodes} | set(self.nodes) | {"features"}
        raise ConfigError(
            f"'{target}' is not a target of {self.config.system} on {self.config.dataset}",
            hint=nearest(target, known),
        )

    def lacks(self, name: str) -> str:
        """Why a node can never be made of this dataset: what a stage above it looks for and the layout does not hold. "" if it can."""
        index = self.nodes.get("index")
        modules = getattr(index.params, "modules", ()) if index is not None else ()
        if not modules or name not in self.nodes:
            return ""
        holds = importlib.import_module(modules[0]).LAYOUT.holds  # light, and nothing but the adapter in use
        needs = {need for node in self.closure([name]) for need in node.declared("needs")}
        lacking = " and no ".join(sorted(needs - set(holds)))
        return f"layout '{index.params.layout}' of dataset {self.config.dataset} holds no {lacking}" if index and lacking else ""

    def closure(self, targets: Iterable[str]) -> list[Node]:
        """The nodes named and everything that they read, in running order."""
        wanted: set[str] = set()
        stack = list(targets)
        while stack:
            name = stack.pop()
            if name not in wanted:
                wanted.add(name)
                stack.extend(self.nodes[name].reads.values())
        return [node for name, node in self.nodes.items() if name in wanted]


def load_system(name: str) -> Any:
    """Import the declaration of a system: ``systems/<name>/__init__.py`` with its ``nodes(config, shared)``."""
    return importlib.import_module(f"systems.{name}")


def build(config: Config) -> Graph:
    """The nodes that the system yields, those that it asks for, and the report; every configured key must have been asked for by some
    section, and what is typed matter to a node."""
    shared = Shared(config)
    own = {node.name: node for node in load_system(config.system).nodes(config, shared)}
    report = report_node(config, own)
    last = {} if report is None else {report.name: report}
    nodes = {**shared.nodes, **own, **last}
    nodes = {name: nodes[name] for name in _reachable(nodes, [*last, *own])}
    shared.settle(nodes)
    config.check(nodes)
    return Graph(config, nodes)


def check_possible(system: str, nodes: dict[str, Node]) -> None:
    """Let ``systems/<name>/possible.py``, if there is one, raise ConfigError for parameters that no training can have together."""
    possible = _possible(system)
    if possible is not None:
        possible.check(nodes)


def check_index(system: str, nodes: dict[str, Node], index: Path) -> None:
    """Let the same module, if it has a ``check_index``, raise an error of ours for parameters of ``nodes`` that the videos, classes and
    splits of a dataset do not allow, which the files of its ``index`` tell."""
    if checks_index(system):
        _possible(system).check_index(nodes, index)


def checks_index(system: str) -> bool:
    """Whether it has one."""
    return hasattr(_possible(system), "check_index")


def _possible(system: str) -> Any:
    module = f"systems.{system}.possible"
    return None if importlib.util.find_spec(module) is None else importlib.import_module(module)


def _reachable(nodes: dict[str, Node], targets: Iterable[str]) -> list[str]:
    order: list[str] = []
    visiting: set[str] = set()

    def visit(name: str) -> None:
        if name in order:
            return
        if name in visiting:
            raise ConfigError(f"node {name} reads itself through others")
        if name not in nodes:
            raise ConfigError(f"a node reads '{name}', which no stage makes", hint=nearest(name, nodes))
        visiting.add(name)
        for read in nodes[name].reads.values():
            visit(read)
        order.append(name)

    for target in targets:
        visit(target)
    return order
