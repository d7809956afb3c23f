"""Every dataset and system that we ship builds a graph whose networks and weights exist."""

from pathlib import Path

import pytest

from cache.store import Store
from models import weights
from pipeline.config import Config, names
from pipeline.graph import build
from pipeline.judge import Judge, closure


@pytest.mark.parametrize("system", names("systems"))
@pytest.mark.parametrize("dataset", names("datasets"))
def test_a_shipped_config_builds_a_graph_and_names_known_networks_and_weights(dataset: str, system: str) -> None:
    graph = build(Config(dataset, system))
    for node in graph.closure(graph.select("features")):
        if node.stage.name == "extract":
            assert weights.find(node.params.network.name, node.params.weights).backbone == node.params.network.name


def test_features_depend_on_the_code_of_their_own_network_only(tmp_path: Path) -> None:
    graph = build(Config("world", "videoqa"))
    fingerprint = Judge(Store(tmp_path), graph).fingerprint
    appearance, motion = (set(closure(fingerprint, graph.nodes[f"extract.{kind}"])) for kind in ("appearance", "motion"))
    assert "models.backbones.people2d" in appearance and "models.backbones.people3d" not in appearance
    assert {"models.backbones.people2d", "models.backbones.people3d"} <= motion  # people3d begins with people2d's stages


def test_the_readmes_table_asks_for_no_c_compiler() -> None:
    """Nothing is compiled, so that the features have the same bits with one and without."""
    graph = build(Config("world", "videoqa"))
    for kind in ("appearance", "motion"):
        assert [path.suffix for path in graph.nodes[f"extract.{kind}"].params.data] == [".safetensors"]
