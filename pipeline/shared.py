"""The nodes of the stages that systems share: world, index, sample, questions, extract, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cache.errors import ConfigError
from cache.stage import Node
from pipeline.config import Config
from stages import extract, index, questions, report, sample, world


def shared_nodes(config: Config) -> Iterator[Node]:
    """Yield every shared node that the dataset can have; the graph keeps those that the system's nodes reach."""
    layout = config.general("layout")
    root: dict[str, str] = {}
    source = config.general("source")
    if source == "world":
        root = {"world": "world"}
        yield Node("world", world.STAGE, config.params("world", world.WorldParams, layout=layout))
    elif source != "files":
        raise ConfigError(f"source: {source!r} must be 'world' (drawn into the store) or 'files' (under DATA_ROOT)")
    yield Node("index", index.STAGE, config.params("index", index.IndexParams, layout=layout), root)
    yield Node("sample", sample.STAGE, config.params("sample", sample.SampleParams), {"index": "index", **root})
    yield Node("questions", questions.STAGE, config.params("questions", questions.QuestionsParams), {"index": "index"})
    for kind in ("appearance", "motion"):
        params = config.params(f"extract.{kind}", extract.ExtractParams, kind=kind)
        yield Node(f"extract.{kind}", extract.STAGE, params, {"index": "index", "sample": "sample"})


def report_node(config: Config, own: Mapping[str, Node]) -> Node:
    """The report reads every evaluation of the system, and its timing if there is one."""
    reads = {name: name for name in own if name.split(".")[0] in ("evaluate", "timing")}
    return Node("report", report.STAGE, config.params("report", report.ReportParams), {**reads, "questions": "questions"})
