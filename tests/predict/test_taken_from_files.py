"""A network that was taken from a file saw nothing here: the evaluation shows what it looks at, of its own modality."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cache.errors import ConfigError, KdpipeError
from cache.stage import Node
from models.exported import Found
from pipeline.export.network import exports, loaded
from pipeline.networks import Chosen, of_stages
from pipeline.predict.network import predictions
from pipeline.predict.seen import modality_of, seen_by
from systems import gkd, litemkd
from systems.gkd.compared import check_streams
from tests.settings import Nodes, graph

BOTH = {"graph__modalities": ("rgb", "flow"), "graph__flow": "distilled"}
DETECTION = {"graph__task": "detection"}


def recorded(name: str, node: Node | None) -> Any:
    """A result of a node, whose digest is its name."""
    params = vars(node.params) if node is not None and dataclasses.is_dataclass(node.params) else {}
    parents = {} if node is None else node.reads
    return SimpleNamespace(node=name, digest=name, object=name, items="", parents=parents, key=SimpleNamespace(params=params))


def judging(nodes: Nodes, absent: Collection[str] = (), **settings: Any) -> Any:
    """A judge whose store holds a result of every node but those that are ``absent``."""
    own = graph(nodes, **settings)
    names = {*own, *(read for node in own.values() for read in node.reads.values())} - set(absent)
    records = {name: recorded(name, own.get(name)) for name in names}
    store = SimpleNamespace(record=records.get, check_object=lambda name: None, files=lambda record: Path(record.node))
    return SimpleNamespace(graph=SimpleNamespace(nodes=own), last=records.get, store=store)


def chosen(judge: Any, known: Iterable[Any], name: str) -> Chosen[Any]:
    return Chosen(name, judge.last(name), of_stages(judge, tuple(known))[name])


def sees(judge: Any, system: str, name: str, alias: str) -> str:
    """The node whose result a network sees; "" if there is none."""
    found = seen_by(judge, chosen(judge, predictions(system), name), alias)
    return "" if found is None else found.node


@pytest.mark.parametrize("name", ["student.alone.flow", "teacher.flow", "student.kd"])
def test_a_network_of_gkd_sees_its_own_modality_taken_or_trained(name: str) -> None:
    section = name.replace(".", "__")
    flow = name.endswith(".flow")
    for taken in ({}, {f"{section}__checkpoint": "file.ckpt"}):
        recognition, detection = judging(gkd.nodes, **BOTH, **taken), judging(gkd.nodes, **BOTH, **DETECTION, **taken)
        for judge in (recognition, detection):
            assert bool(judge.last(f"{name}.s0").parents) is not bool(taken)
        assert sees(recognition, "gkd", f"{name}.s0", "frames") == ("derive.flow" if flow else "sample")
        assert sees(detection, "gkd", f"{name}.s0", "arrays") == ("arrays.flow" if flow else "arrays")


def test_rgb_is_asked_together_with_a_network_of_flow_from_a_file() -> None:
    taken = {"student__kd__flow__checkpoint": "flow.ckpt", "student__kd__checkpoint": "rgb.ckpt"}
    for settings, aliases, nodes in (
        ({}, ("frames", "partner.frames"), ("sample", "derive.flow")),
        (DETECTION, ("arrays", "partner.arrays"), ("arrays", "arrays.flow")),
    ):
        judge = judging(gkd.nodes, **BOTH, **settings, **taken)
        assert tuple(sees(judge, "gkd", "student.kd.s0", alias) for alias in aliases) == nodes
        assert modality_of(chosen(judge, predictions("gkd"), "student.kd.s0"), "both", aliases) == "both"


def test_classes_without_names_are_fused_if_they_are_as_many() -> None:
    def network(modality: str, *classes: object) -> Any:
        return SimpleNamespace(modality=modality, about={"classes": list(classes)})

    rgb = network("rgb", "bow", "jump")
    check_streams(rgb, network("flow", 0, 1))
    check_streams(network("rgb", 0, 1), network("flow", "bow", "jump"))
    for other in (network("flow", 0, 1, 2), network("flow", "jump", "bow")):
        with pytest.raises(ConfigError, match="know other classes"):
            check_streams(rgb, other)


def test_where_the_evaluation_reads_no_flow_a_network_of_flow_is_refused() -> None:
    """A pin names it, and the graph is of RGB alone."""
    pinned = chosen(judging(gkd.nodes, **BOTH, student__alone__flow__checkpoint="x"), predictions("gkd"), "student.alone.flow.s0")
    with pytest.raises(KdpipeError, match="was not made from flow, and there is none to show how it is made") as refused:
        seen_by(judging(gkd.nodes), pinned, "frames")
    assert "the evaluation of these settings reads no flow" in refused.value.hint
    with pytest.raises(KdpipeError, match="not made from flow") as refused:
        seen_by(judging(gkd.nodes, absent=["derive.flow"], **BOTH), pinned, "frames")
    assert refused.value.hint == "kdpipe run evaluate"


def found(given: Found) -> Found:
    """In place of what loads a network that leaves."""
    return given


@pytest.mark.parametrize(("settings", "alias", "node"), [({}, "frames", "derive.flow"), (DETECTION, "arrays", "arrays.flow")])
def test_a_network_of_flow_from_a_file_leaves_with_rows_of_flow(settings: dict[str, str], alias: str, node: str) -> None:
    taken = {"student__alone__flow__checkpoint": "flow.ckpt"}
    known = [dataclasses.replace(one, entry=f"{__name__}:found") for one in exports("gkd")]
    judge = judging(gkd.nodes, **BOTH, **settings, **taken)
    assert loaded(judge, chosen(judge, known, "student.alone.flow.s0")).inputs == {"index": Path("index"), alias: Path(node)}  # type: ignore[attr-defined]
    assert loaded(judge, chosen(judge, known, "student.alone.s0")).inputs[alias] != Path(node)  # type: ignore[attr-defined]
    without = judging(gkd.nodes, absent=[node], **BOTH, **settings, **taken)
    with pytest.raises(KdpipeError, match="and there is none to test it with"):
        loaded(without, chosen(without, known, "student.alone.flow.s0"))


@pytest.mark.parametrize(("modality", "node"), [("rgb", "sample"), ("flow", "derive.flow"), ("depth", "derive.depth")])
def test_an_expert_of_litemkd_from_a_file_sees_its_own_modality(modality: str, node: str) -> None:
    trained, taken = judging(litemkd.nodes), judging(litemkd.nodes, **{f"expert__{modality}__checkpoint": "expert.pt"})
    assert not taken.last(f"expert.{modality}.s0").parents
    for judge in (trained, taken):
        assert sees(judge, "litemkd", f"expert.{modality}.s0", "frames") == node
