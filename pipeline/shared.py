"""The nodes of the stages that systems share: world, index, ingest, sample, questions, extract, report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from cache.stage import Node
from pipeline.config import Config
from pipeline.imports import NO_NAMES
from stages import extract, index, ingest, questions, report, sample, world


def shared_nodes(config: Config) -> Iterator[Node]:
    """Yield every shared node that the dataset can have; the graph keeps those that the system's nodes reach."""
    layout = config.general("layout")
    drawn = config.general("source") == "world"
    root = {"world": "world"} if drawn else {}
    imported = {"appearance", "motion"} <= set(config.imports)
    unopened = {"max_lost": "features are imported, so no video is opened and none is missed"} if imported else {}
    indexed = config.params("index", index.IndexParams, layout=layout, idle=unopened)
    if imported:
        indexed = dataclasses.replace(indexed, max_lost=1.0)
    yield Node("world", world.STAGE, config.params("world", world.WorldParams, **({"layout": layout} if drawn else {})))
    yield Node("index", index.STAGE, indexed, root)
    yield Node("ingest", ingest.STAGE, config.params("ingest", ingest.IngestParams), {"index": "index", **root})
    yield Node("sample", sample.STAGE, config.params("sample", sample.SampleParams), {"index": "index", **root})
    yield Node("questions", questions.STAGE, config.params("questions", questions.QuestionsParams), {"index": "index"})
    for kind in next(f.metadata["choices"] for f in dataclasses.fields(extract.ExtractParams) if f.name == "kind"):
        yield _features(config, kind)


def _features(config: Config, kind: str) -> Node:
    """Features computed from frames, or imported."""
    instead = f"the {kind} features are imported" if kind in config.imports else ""
    idle = {f.name: instead for f in dataclasses.fields(extract.ExtractParams) if instead}
    params = config.params(f"extract.{kind}", extract.ExtractParams, kind=kind, idle=idle)
    if not instead:
        return Node(f"extract.{kind}", extract.STAGE, _with_imported_weights(config, params), {"index": "index", "sample": "sample"})
    from stages import imported

    return Node(f"extract.{kind}", imported.STAGE, imported.ImportedParams(**config.imports[kind]), {"index": "index"})


def _with_imported_weights(config: Config, params: extract.ExtractParams) -> extract.ExtractParams:
    """Let ``weights_file`` be the imported file of that name where no file is named and none is shipped."""
    if getattr(params, "weights_file", None) != "" or params.weights in NO_NAMES:
        return params
    file = config.imported_weights(params.network.name, params.weights)
    return dataclasses.replace(params, weights_file=file)


def report_node(config: Config, own: Mapping[str, Node]) -> Node:
    """The report reads every evaluation of the system, and its timing if there is one."""
    reads = {name: name for name in own if name.split(".")[0] in ("evaluate", "timing")}
    return Node("report", report.STAGE, config.params("report", report.ReportParams), reads)
