"""A dataset that is added, or an adapter that is edited, is no business of the datasets that do not use it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from cache.fingerprint import Fingerprint
from cache.stage import Node
from pipeline.config import Config, names
from pipeline.graph import build
from pipeline.judge import closure
from tests.mutation.again import after_edit
from tests.mutation.reach import copy_tree

Digests = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("adapters"))


@pytest.fixture(scope="module")
def known(tree: Path) -> Fingerprint:
    """The code of the tree before any edit."""
    return Fingerprint(tree)


@pytest.fixture(scope="module")
def before(known: Fingerprint) -> Digests:
    return digests(known)


@functools.cache
def nodes() -> dict[str, Node]:
    """Dataset, system and name -> every node of their graphs."""
    pairs = [(dataset, system) for dataset in names("datasets") for system in names("systems")]
    graphs = {pair: build(Config(*pair, ["seeds=1"])).nodes for pair in pairs}
    return {f"{dataset} {system} {name}": node for (dataset, system), found in graphs.items() for name, node in found.items()}


def digests(fingerprint: Fingerprint) -> Digests:
    """Dataset, system and node -> the code that its key sees."""
    return {name: {module: found.digest for module, found in closure(fingerprint, node).items()} for name, node in nodes().items()}


def test_a_new_adapter_makes_nothing_stale(tree: Path, known: Fingerprint, before: Digests) -> None:
    (tree / "stages/index/charades.py").write_text("from stages.index.folder import LAYOUT as FOLDER\n\nLAYOUT = FOLDER\n")
    declared = tree / "stages/index/__init__.py"
    text = declared.read_text()
    edited = text.replace('"esc50",', '"esc50", "charades",')
    assert edited != text
    declared.write_text(edited)
    (tree / "configs/datasets/charades.yaml").write_text("layout: charades\nsource: files\n")
    assert digests(after_edit(known, ["stages.index", "stages.index.charades"])) == before


def test_an_edit_of_an_adapter_counts_for_those_who_use_it(tree: Path, known: Fingerprint, before: Digests) -> None:
    adapter = tree / "stages/index/msrvtt_qa.py"
    adapter.write_text(adapter.read_text() + "\nMORE = 1\n")
    after = digests(after_edit(known, ["stages.index.msrvtt_qa"]))
    assert {name for name in before if after[name] != before[name]} == {f"msrvtt {system} index" for system in names("systems")}
