"""A file that a parameter names is keyed by what is in it, wherever it lies."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cache.store import Store
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge

GRAPHS = [build(Config(dataset, system)) for dataset, system in (("world", "videoqa"), ("world8m", "fewerframes"))]
USES = {(node.stage, name): (graph, node) for graph in GRAPHS for node in graph.nodes.values() for name in node.stage.files}


class Alone(Judge):
    """Judges a node as if its inputs were there."""

    def inputs(self, node: Any) -> dict[str, Any]:
        return {alias: SimpleNamespace(object="0" * 64) for alias in node.reads}


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use[0].name}.{use[1]}")
def test_the_key_holds_the_content_of_a_file_and_not_its_path(use: Any, tmp_path: Path) -> None:
    graph, node = USES[use]
    for path, text in (("here", "a"), ("there/under/another.name", "a"), ("changed", "b")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    def key(path: str) -> str:
        params = dataclasses.replace(node.params, **{use[1]: path and str(tmp_path / path)})
        return Alone(Store(tmp_path / "store"), graph, read_files=True).key(dataclasses.replace(node, params=params)).digest

    assert key("here") == key("there/under/another.name")
    assert len({key("here"), key("changed"), key("")}) == 3


def test_a_result_outlives_a_move_of_the_file(house) -> None:
    (house.root / "glove.txt").write_text("the 0.1")
    assert house.computed("questions", "--set", "questions.glove_file=glove.txt") == ["index", "questions", "world"]
    shutil.move(house.root / "glove.txt", house.root / "vectors")
    assert house.computed("questions", "--set", "questions.glove_file=vectors") == []
