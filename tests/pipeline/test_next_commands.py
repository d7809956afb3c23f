"""What a command tells to type next exists and can be made, whatever the dataset and the system."""

from __future__ import annotations

import functools
import itertools
import re
import shlex

import click
import pytest
from click.testing import CliRunner

from cache.errors import KdpipeError
from pipeline import config, judge
from pipeline.cli import cli, session
from pipeline.config import Config, names
from pipeline.graph import Graph, build
from pipeline.paths import CONFIGS
from stages.index.adapters import adapter

EVERY = list(itertools.product(names("datasets"), names("systems")))
#: What a layout holds -> a dataset of that: to a system, the others that hold as much differ in their names and files only.
HOLDS = {frozenset(adapter(Config(name, "videoqa").general("layout")).holds): name for name in reversed(names("datasets"))}
#: Those with every system, and all with the systems that have a recipe for them.
KINDS = [(name, system) for name, system in EVERY if name in HOLDS.values() or (CONFIGS / "systems" / f"{system}.{name}.yaml").exists()]
VERBS = cli.list_commands(click.Context(cli))
#: What is shipped, code and configs, stays as it is: it is read once.
FINGERPRINT, READ_LINES = functools.cache(judge.Fingerprint), functools.cache(config.read_lines)


@functools.lru_cache(maxsize=1)
def shipped(dataset: str, system: str) -> Graph:
    """The graph as it is without a setting."""
    return build(Config(dataset, system))


#: A command in a text: kdpipe, a verb, and what follows on the line up to a wide gap.
COMMAND = re.compile(r"kdpipe (\S+(?: (?! )\S+)*)")


@pytest.fixture
def call(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """``call("status", ...)`` -> what it says, on both outputs and in the error; in a store without results, the same for all tests."""
    monkeypatch.setattr(judge, "Fingerprint", FINGERPRINT)
    monkeypatch.setattr(config, "read_lines", READ_LINES)
    monkeypatch.setattr(session, "build", lambda asked: shipped(asked.dataset, asked.system))
    store = tmp_path_factory.getbasetemp() / "without-results"
    monkeypatch.setenv("KDPIPE_STORE", str(store))
    monkeypatch.setenv("KDPIPE_DEVICE", "cpu")
    for name in ("DATA_ROOT", "KDPIPE_DATASET", "KDPIPE_SYSTEM"):
        monkeypatch.delenv(name, raising=False)

    def called(*arguments: str) -> tuple[str, Exception | None]:
        done = CliRunner().invoke(cli, list(arguments))
        if done.exception is not None and not isinstance(done.exception, KdpipeError | SystemExit):
            raise done.exception
        error = done.exception if isinstance(done.exception, KdpipeError) else None
        assert not any((store / "actions").glob("*/*"))
        return f"{done.output}\n{error or ''}", error

    return called


def check(text: str, graph: Graph) -> int:
    """Every command in ``text`` has a verb, and names nodes that can be made; how many there are."""
    found = COMMAND.findall(text)
    for command in found:
        verb, *words = shlex.split(command)
        assert verb in VERBS, command
        if verb in ("run", "plan", "show"):
            targets = itertools.takewhile(lambda word: not word.startswith("-"), words)
            for name in itertools.chain.from_iterable(map(graph.select, targets)):
                assert graph.lacks(name) == "", f"{command}: {graph.lacks(name)}"
    return len(found)


def test_every_dataset_is_of_a_kind_that_is_tried() -> None:
    assert {frozenset(adapter(Config(name, "videoqa").general("layout")).holds) for name in names("datasets")} == set(HOLDS)
    assert len(HOLDS) > 7 and {system for _, system in KINDS} == set(names("systems"))


@pytest.mark.parametrize(("dataset", "system"), KINDS)
def test_no_hint_names_what_cannot_be_made(dataset: str, system: str, call) -> None:
    where = ("--dataset", dataset, "--system", system)
    graph = shipped(dataset, system)
    counted = 0
    for node in {name.split(".")[0]: name for name in graph.nodes}.values():
        for verb in (("show", node), ("open", node), ("ls", node), ("show", node, "--ledger"), ("why", node), ("pin", node)):
            counted += check(call(*verb, *where)[0], graph)
    for verb in (("status",), ("plan",), ("plan", "--make"), ("report",), ("ls",), ("push", "/nowhere/else")):
        counted += check(call(*verb, *where)[0], graph)
    assert counted > 3


#: System -> the last node of its graph, and what a layout must hold for it.
LAST = {
    "videoqa": ("report", {"questions", "videos"}),
    "fewerframes": ("report", {"records"}),
    "litemkd": ("derive.flow", {"videos"}),
    "gkd": ("report", {"videos"}),
    "xkd": ("report", {"videos", "audio", "class"}),
}


@pytest.mark.parametrize(("dataset", "system"), EVERY)
def test_status_shows_what_can_be_made_and_no_more(dataset: str, system: str, call) -> None:
    text, error = call("status", "--dataset", dataset, "--system", system)
    assert error is None
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
    graph = shipped(dataset, system)
    holds = adapter(graph.nodes["index"].params.layout).holds
    last, needed = LAST[system]
    if system == "gkd":  # detection or recognition
        needed = needed | {"segments" if "thumos" in dataset else "class"}
    assert (last in shown) == (needed <= set(holds))
    assert "index" in shown and not {need for name in shown for need in graph.nodes[name].declared("needs")} - set(holds)


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        (("run", "report", "--dataset", "folder"), "report cannot be made: layout 'folder' of dataset folder holds no questions"),
        (("questions", "--dataset", "folder"), "questions cannot be made: layout 'folder' of dataset folder holds no questions"),
        (("distill", "--stage", "teacher", "--dataset", "folder"), "teacher.s0 cannot be made"),
        (("report", "--dataset", "yt8m"), "report cannot be made: layout 'yt8m' of dataset yt8m holds no questions and no videos"),
        (("run", "features", "--dataset", "tiny", "--system", "fewerframes"), "ingest cannot be made"),
        (("plan", "sample", "--dataset", "world8m"), "sample cannot be made"),
    ],
)
def test_what_a_layout_does_not_hold_is_said_before_anything_runs(verb: tuple[str, ...], says: str, call) -> None:
    _, error = call(*verb)
    assert error is not None and says in str(error) and "what can be made with --dataset" in str(error)
