"""What the stages really load and open, every process watched by an audit hook, against what their keys know.

Each node of the tiny demo runs by itself, in a process of its own. Whatever project module runs there must be in the
node's closure, or be neutral, the pipeline's, or part of the declarations that every process loads; whatever file of the
source tree or of the word vectors is opened must be among the node's packaged data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cache.fingerprint import EVERYWHERE, NEUTRAL, Fingerprint, unseen
from cache.stage import Node
from cache.syntax import PACKAGES
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import closure
from stages.questions import embedded
from tests.command import PROJECT, kdpipe

SETTINGS = ["seeds=1", "teacher.epochs=1", "student.epochs=1"]
NODES = build(Config("tiny", "videoqa", SETTINGS)).nodes

pytestmark = pytest.mark.long


@dataclass
class Trace:
    """What the processes of one node ran and opened."""

    modules: set[str]
    files: set[Path]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """Every node of the demo, run one after another."""
    folder = tmp_path_factory.mktemp("audit")
    environment = {"PYTHONPATH": str(Path(__file__).parent / "audit"), "PYTHONDONTWRITEBYTECODE": "1"}
    found = {}
    for name in NODES:
        log = folder / name
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        kdpipe(folder / "store", "one", name, "--dataset", "tiny", "--workers", "2", *settings, KDPIPE_AUDIT=str(log), **environment)
        events = [line.partition(" ") for line in log.read_text().splitlines()]
        texts = [Path(what) for kind, _, what in events if kind == "exec"]
        found[name] = Trace(
            {module for text in texts if (module := module_name(text))}, {Path(what) for kind, _, what in events if kind == "open"}
        )
    return found


def module_name(path: Path) -> str:
    """The dotted name of a project module; empty for any other file."""
    if not path.is_relative_to(PROJECT) or path.relative_to(PROJECT).parts[0] not in PACKAGES:
        return ""
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@pytest.fixture(scope="module")
def fingerprint() -> Fingerprint:
    return Fingerprint(PROJECT)


def declared(fingerprint: Fingerprint) -> set[str]:
    """What a process loads to build the graph, whatever it runs: declarations, and the adapter that says what the dataset can give."""
    stages = [f"stages.{path.parent.name}" for path in (PROJECT / "stages").glob("*/__init__.py")]
    chosen = [*stages, "systems.videoqa", "systems.videoqa.possible", *NODES["index"].params.modules]
    return set(fingerprint.closure("pipeline.graph", chosen))


@pytest.mark.parametrize("name", NODES)
def test_a_stage_loads_no_code_that_its_key_does_not_see(traces: dict[str, Trace], fingerprint: Fingerprint, name: str) -> None:
    node, loaded = NODES[name], traces[name].modules
    known = closure(fingerprint, node)
    assert node.stage.entry.partition(":")[0] in loaded
    accepted = {*known, *NEUTRAL, *EVERYWHERE, *declared(fingerprint)}
    assert {module for module in loaded - accepted if not module.startswith("pipeline")} == set()
    assert unseen(loaded, known, declared(fingerprint)) == []


@pytest.mark.parametrize("name", NODES)
def test_a_stage_opens_no_data_that_its_key_does_not_see(traces: dict[str, Trace], name: str) -> None:
    node = NODES[name]
    known = packaged(node)
    places = [*(PROJECT / package for package in PACKAGES), *filter(None, [embedded.folder()])]
    opened = {file for file in traces[name].files if any(file.is_relative_to(place) for place in places)}
    data = {file for file in opened if file.suffix not in (".py", ".pyc") and file.is_file()}
    assert data - known == set()


def packaged(node: Node) -> set[Path]:
    return set(getattr(node.params, node.stage.data)) if node.stage.data else set()


def test_workers_are_watched_too(traces: dict[str, Trace]) -> None:
    assert "media.decode" in traces["sample"].modules
    assert packaged(NODES["extract.motion"]) and packaged(NODES["questions"])


def test_what_only_a_table_names_would_be_found_missing(traces: dict[str, Trace], fingerprint: Fingerprint) -> None:
    known = fingerprint.closure(NODES["extract.motion"].stage.entry.partition(":")[0])
    assert unseen(traces["extract.motion"].modules, known, declared(fingerprint)) == [
        "models.backbones.fold",  # which the runtime imports
        "models.backbones.small2d",
        "models.backbones.small3d",
        "models.inference.runtimes.activations",
        "models.inference.runtimes.eager",
        "models.inference.runtimes.packed",
    ]
