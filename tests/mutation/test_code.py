"""Every mutation of code that a stage reaches changes the stage's code; no cosmetic edit does.

The modules to mutate are found by the standard library's ``modulefinder``, not by the fingerprint. One small stage is mutated
at every site, the others at sites drawn from a seed; stages that share a module share its mutants.
"""

from __future__ import annotations

import ast
import functools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.fingerprint import Fingerprint
from cache.stage import Node
from cache.syntax import PACKAGES
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import closure
from tests.mutation import cosmetics
from tests.mutation.again import after_edit
from tests.mutation.operators import OPERATORS, Site, mutate, plain, sites
from tests.mutation.reach import copy_tree, reached

NODES = (
    "world", "index", "sample", "questions", "extract.appearance", "extract.motion", "teacher.s0", "dump.s0", "student.kd.s0",
    "evaluate.s0", "timing", "report",
)  # fmt: skip
WHOLE = "questions"
SAMPLE = 200
COSMETIC = 50
SEED = 20


@functools.cache
def nodes() -> dict[str, Node]:
    return build(Config("tiny", "videoqa", ["seeds=1"])).nodes


def entries(node: Node) -> list[str]:
    modules = node.stage.modules
    return [node.stage.entry.partition(":")[0], *(getattr(node.params, modules) if isinstance(modules, str) else modules)]


class House:
    """A copy of the source tree, fingerprinted once; only an edited module is parsed again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known = Fingerprint(root)
        self.before = {name: self.code(self.known, name) for name in NODES}

    @staticmethod
    def code(fingerprint: Fingerprint, name: str) -> dict[str, str]:
        return {module: found.digest for module, found in closure(fingerprint, nodes()[name]).items()}

    def changed(self, module: str, text: str, names: list[str]) -> list[str]:
        """Those of the nodes ``names`` whose code differs once ``module`` has this text."""
        path = self.known.source(module)
        assert path is not None
        original = path.read_bytes()
        path.write_bytes(text.encode())
        try:
            edited = after_edit(self.known, [module])
            return [name for name in names if self.code(edited, name) != self.before[name]]
        finally:
            path.write_bytes(original)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("mutation"))


@pytest.fixture(scope="module")
def house(tree: Path) -> House:
    return House(tree)


@pytest.fixture(scope="module")
def reach(tree: Path) -> dict[str, dict[str, Path]]:
    """Node -> module -> file."""
    return {name: reached(tree, entries(nodes()[name])) for name in NODES}


def test_the_fingerprint_reaches_what_modulefinder_reaches(house: House, reach: dict[str, dict[str, Path]]) -> None:
    for name in NODES:
        assert set(house.before[name]) == set(reach[name]), name


def test_a_stage_imports_nothing_from_the_checkout_outside_of_the_packages() -> None:
    project = Path(__file__).resolve().parents[2]
    fingerprint = Fingerprint(project)
    beside = {path.stem for path in project.iterdir() if path.is_dir() or path.suffix == ".py"} - set(PACKAGES)
    for name in NODES:
        for module, found in closure(fingerprint, nodes()[name]).items():
            assert not {n.split(".")[0] for n in found.imports} & beside, module


def mutants(reach: dict[str, dict[str, Path]]) -> dict[tuple[str, Site], list[str]]:
    """(module, site) -> the nodes that it is a mutation of."""
    files = {module: path for found in reach.values() for module, path in found.items()}
    every = [(module, site) for module, path in sorted(files.items()) for site in sites(path.read_text())]
    random.Random(SEED).shuffle(every)
    turns: Counter[tuple[str, str]] = Counter()
    ranked = []
    for module, site in every:  # all operators in turn, in every module: else most mutants would be renamings
        turns[module, site[0]] += 1
        ranked.append((turns[module, site[0]], module, site))
    ranked.sort(key=lambda mutant: mutant[0])
    every = [(module, site) for _, module, site in ranked]
    chosen: dict[tuple[str, Site], list[str]] = {}
    for name in NODES:
        mine = [(module, site) for module, site in every if module in reach[name]]
        for mutant in mine if name == WHOLE else mine[:SAMPLE]:
            chosen.setdefault(mutant, []).append(name)
    return chosen


def test_a_mutant_is_the_tree_with_that_one_node_changed(reach: dict[str, dict[str, Path]]) -> None:
    """Though only one statement of it is unparsed."""
    for path in reach[WHOLE].values():
        text = path.read_text()
        assert ast.dump(ast.parse(plain(text))) == ast.dump(ast.parse(ast.unparse(ast.parse(text))))
        for operator, number in sites(text)[::40]:
            tree = ast.parse(text)
            OPERATORS[operator](list(ast.walk(tree))[number])
            whole = ast.unparse(ast.fix_missing_locations(tree))
            assert ast.dump(ast.parse(mutate(text, (operator, number)))) == ast.dump(ast.parse(whole)), (path, operator, number)


@pytest.mark.long
def test_every_mutation_of_reached_code_counts(house: House, reach: dict[str, dict[str, Path]]) -> None:
    chosen = mutants(reach)
    counts = Counter(name for names in chosen.values() for name in names)
    assert all(counts[name] >= SAMPLE for name in NODES), counts
    escaped = []
    for (module, site), names in chosen.items():
        path = house.known.source(module)
        assert path is not None
        mutant = mutate(text := path.read_text(), site)
        assert mutant != plain(text), f"{module} {site} is no mutation"
        missed = set(names) - set(house.changed(module, mutant, names))
        escaped += [f"{name}: {module} {site}" for name in sorted(missed)]
    assert escaped == []


def cosmetic_edits(reach: dict[str, Path], dice: random.Random) -> Iterator[tuple[str, cosmetics.Edit, str]]:
    """(module, edit, new text): every kind of edit, on modules drawn at random."""
    for number in range(COSMETIC):
        edit = cosmetics.EDITS[number % len(cosmetics.EDITS)]
        module = dice.choice([m for m, path in sorted(reach.items()) if path.read_text().strip()])
        yield module, edit, edit(reach[module].read_text(), dice)


@pytest.mark.long
@pytest.mark.parametrize("name", NODES)
def test_no_cosmetic_edit_counts(house: House, reach: dict[str, dict[str, Path]], name: str) -> None:
    for module, edit, text in cosmetic_edits(reach[name], random.Random(SEED)):
        original = reach[name][module].read_text()
        if edit in cosmetics.SAME_TREE:
            assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(original)), f"{edit.__name__} of {module} is not cosmetic"
        assert house.changed(module, text, list(NODES)) == [], f"{edit.__name__} of {module}"


@pytest.mark.long
@pytest.mark.parametrize("settings", [("line-length=60", "format.quote-style='single'"), ("line-length=200", "format.indent-style='tab'")])
def test_reformatting_the_tree_changes_no_code(house: House, tmp_path: Path, settings: tuple[str, ...]) -> None:
    root = copy_tree(tmp_path / "tree")
    texts = {path: path.read_bytes() for path in root.rglob("*.py")}
    cosmetics.reformat(root, *settings)
    assert sum(path.read_bytes() != text for path, text in texts.items()) > 50
    assert House(root).before == house.before
