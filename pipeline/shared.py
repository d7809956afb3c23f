"""Nodes of the stages that systems share, built when a system asks for them (:class:`cache.stage.Shared`)."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from cache.stage import Node, Stage
from pipeline.config import Config
from pipeline.imports import ENTRY, NO_NAMES


class Shared:
    """Builds them for one configuration; ``nodes`` are those that were asked for, and what they read."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.nodes: dict[str, Node] = {}

    def __call__(self, stage: str, use: str = "", *, reads: Mapping[str, Node] | None = None, **fixed: Any) -> Node:
        """The node ``stage.use``; see the contract. Raises ValueError if it was asked for with other settings before."""
        name = f"{stage}.{use}" if use else stage
        imported = stage == "extract" and use in self.config.imports
        return self._kept(self._imported(name, use) if imported else self._made(stage_of(stage), name, use, reads, fixed))

    def imported(self, kind: str) -> Node | None:
        """The node of what was imported of a kind, None if nothing was; see the contract."""
        if kind not in self.config.imports:
            return None
        from stages.imported.kinds import IMPORTABLE

        return self._kept(self._imported(IMPORTABLE[kind].node, kind))

    def _kept(self, node: Node) -> Node:
        if self.nodes.setdefault(node.name, node) != node:
            raise ValueError(f"{node.name} is asked for twice, with different settings")
        return node

    def _made(self, stage: Stage, name: str, use: str, reads: Mapping[str, Node] | None, fixed: Mapping[str, Any]) -> Node:
        inputs = {other: self(other) for other in stage.reads} if reads is None else dict(reads)
        if stage.raw and self.config.general("source") == "world":
            inputs["world"] = self("world")
        decided = {"layout": self.config.general("layout"), "kind": use}
        names = {f.name for f in dataclasses.fields(stage.params)}
        params: Any = self.config.params(name, stage.params, **{k: v for k, v in decided.items() if k in names}, **fixed)
        params = self._with_imported_weights(params)
        for alias in getattr(params, stage.wanted) if stage.wanted else ():
            first = dict(stage.before)[alias]
            same = first.params(**{f.name: getattr(params, f.name) for f in dataclasses.fields(first.params)})
            inputs[alias] = self._kept(Node(f"{name}.{alias}", first, same, {other: inputs[other] for other in first.reads}))
        return Node(name, stage, params, inputs)

    def _imported(self, name: str, kind: str) -> Node:
        """What was imported, in place of what would be computed."""
        from stages import imported
        from stages.imported.kinds import IMPORTABLE

        stage, _, use = name.partition(".")
        record = stage_of(stage).params
        fields = {f.name: f for f in dataclasses.fields(record)}
        computed = {"kind": use} if "kind" in fields and use in fields["kind"].metadata["choices"] else {}
        if computed or not use:
            idle = dict.fromkeys(fields, f"the {IMPORTABLE[kind].what} are imported")
            self.config.params(name, record, **computed, idle=idle)
        params = imported.ImportedParams(**self.config.imports[kind])
        return Node(name, imported.STAGES[stage], params, {"index": self("index")})

    def _with_imported_weights(self, params: Any) -> Any:
        """Let ``weights_file`` be the imported file of that name where no file is named and none is shipped."""
        if getattr(params, "weights_file", None) != "" or params.named_weights in ("", *NO_NAMES):
            return params
        return dataclasses.replace(params, weights_file=self.config.imported_weights(params.network.name, params.named_weights))

    def settle(self, nodes: dict[str, Node]) -> None:
        """Where features are imported and no video is opened, none is missed: ``index`` then tolerates any loss."""
        if any(n.stage.entry == ENTRY for n in nodes.values()) and not any("videos" in n.declared("needs") for n in nodes.values()):
            index = nodes["index"]
            idle = {"max_lost": "features are imported, so no video is opened and none is missed"}
            params: Any = self.config.params("index", index.stage.params, layout=index.params.layout, idle=idle)
            nodes["index"] = dataclasses.replace(index, params=dataclasses.replace(params, max_lost=1.0))


def stage_of(name: str) -> Stage:
    """The declaration of a shared stage: ``STAGE`` of ``stages/<name>/__init__.py``."""
    stage: Stage = importlib.import_module(f"stages.{name}").STAGE
    return stage


def report_node(config: Config, own: Mapping[str, Node]) -> Node | None:
    """The report reads every evaluation of the system, and its timing if there is one; a system that evaluates nothing has none."""
    report = stage_of("report")
    params: Any = config.params("report", report.params)
    reads = {name: node for name, node in own.items() if node.stage.name in ("evaluate", "timing")}
    return Node("report", report, params, reads) if reads else None
