"""A dataset that is added, or an adapter that is edited, is no business of the datasets that do not use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.fingerprint import Fingerprint
from pipeline.config import Config, names
from pipeline.graph import build
from pipeline.judge import closure
from tests.mutation.reach import copy_tree

Digests = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("adapters"))


def digests(tree: Path) -> Digests:
    """Dataset and node -> the code that its key sees."""
    found = {}
    fingerprint = Fingerprint(tree)
    for dataset, system in [(dataset, system) for dataset in names("datasets") for system in names("systems")]:
        for name, node in build(Config(dataset, system, ["seeds=1"])).nodes.items():
            found[f"{dataset} {system} {name}"] = {module: known.digest for module, known in closure(fingerprint, node).items()}
    return found


def test_a_new_adapter_makes_nothing_stale(tree: Path) -> None:
    before = digests(tree)
    (tree / "stages/index/charades.py").write_text("from stages.index.folder import LAYOUT as FOLDER\n\nLAYOUT = FOLDER\n")
    declared = tree / "stages/index/__init__.py"
    text = declared.read_text()
    edited = text.replace('"esc50",', '"esc50", "charades",')
    assert edited != text
    declared.write_text(edited)
    (tree / "configs/datasets/charades.yaml").write_text("layout: charades\nsource: files\n")
    assert digests(tree) == before


def test_an_edit_of_an_adapter_counts_for_those_who_use_it(tree: Path) -> None:
    before = digests(tree)
    adapter = tree / "stages/index/msrvtt_qa.py"
    adapter.write_text(adapter.read_text() + "\nMORE = 1\n")
    after = digests(tree)
    assert {name for name in before if after[name] != before[name]} == {f"msrvtt {system} index" for system in names("systems")}
