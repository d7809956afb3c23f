"""Options that verbs share: each arrives wherever a verb has it, through make too, and every hint keeps what was typed."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache.errors import ConfigError
from cache.stage import Node, Stage
from pipeline.cli import cli
from pipeline.cli import plan as planning
from pipeline.cli.options import HOW, LOOK, OPTIONS, WHAT, taken
from pipeline.cli.typed import completed
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import State

#: Verbs with the options that they read, of those that verbs share.
READ = {
    "one": {*WHAT, *HOW, "verbose"},
    "plan": {*WHAT, *HOW, *LOOK},
    "run": {*WHAT, *HOW, *LOOK, "dry_run"},
    "extract": {*WHAT, *HOW, *LOOK, "dry_run"},
    "distill": {*WHAT, *HOW, *LOOK, "dry_run"},
    "report": {*WHAT, *HOW, *LOOK},
    "status": {*WHAT, *LOOK},
    "why": {*WHAT, *LOOK},
    "ls": {*WHAT, *LOOK},
    "show": {*WHAT, *LOOK},
    "open": {*WHAT, "verify", "verbose"},
    "params": {*WHAT, *LOOK},
    "compare": {*WHAT, *LOOK},
    "predict": {*WHAT, *LOOK, "workers", "threads", "log_json"},
    "export": {*WHAT, *LOOK},
    "accept": {*WHAT, *LOOK},
    "pin": {*WHAT, *LOOK},
    "unpin": set(LOOK),
    "gc": set(LOOK),
    "push": {*WHAT, *LOOK, "verify", "log_json", "dry_run"},
    "pull": {*WHAT, *LOOK, "verify", "log_json", "dry_run"},
    "doctor": {*WHAT, *LOOK, "workers", "threads", "log_json"},
    "compare-features": {*WHAT, *LOOK, "log_json"},
    "export-features": {*WHAT, *LOOK, "log_json", "dry_run"},
    "import-features": {*WHAT, *HOW, *LOOK, "dry_run"},
}
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=12)
VALUES: dict[str, st.SearchStrategy[list[str]]] = {
    "dataset": TEXT.map(lambda text: [f"--dataset=x{text}"]),
    "system": TEXT.map(lambda text: [f"--system=x{text}"]),
    "settings": st.lists(TEXT, min_size=1, max_size=3).map(lambda texts: [f"--set=a.b{at}={text}" for at, text in enumerate(texts)]),
    "data_root": TEXT.map(lambda text: [f"--data-root=/x{text}"]),
    "seeds": st.just(["--seeds", "4"]),
    "seed": st.just(["--seed", "7"]),
    "device": TEXT.map(lambda text: [f"--device=x{text}"]),
    "workers": st.just(["--workers", "3"]),
    "threads": st.just(["--threads", "2"]),
    "log": st.lists(TEXT, min_size=1, max_size=2).map(lambda texts: [f"--log=tensorboard:{text}" for text in texts]),
    "upstream": TEXT.map(lambda text: [f"--upstream=/x{text}"]),
}


def verb(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def context(name: str, words: list[str], parent: click.Context | None = None) -> click.Context:
    """What click makes of a command line, without running it."""
    return verb(name).make_context(name, words, parent=parent or click.Context(cli, info_name="kdpipe"))


def typed(words: list[str]) -> st.SearchStrategy[list[str]]:
    return st.tuples(*(VALUES.get(name, st.just([OPTIONS[name].flags[-1]])) for name in words)).map(
        lambda lists: [*itertools.chain(*lists)]
    )


@pytest.mark.parametrize("name", READ)
def test_a_verb_has_the_options_that_it_reads_and_refuses_the_others(name: str) -> None:
    assert taken(verb(name)) == READ[name]
    for other in OPTIONS.keys() - READ[name]:
        with pytest.raises(click.UsageError, match=r"[Nn]o such option"):
            context(name, ["x", OPTIONS[other].flags[-1]])


@pytest.mark.parametrize(("dataset", "system"), [("tiny", "videoqa"), ("world8m", "fewerframes")])
def test_a_hint_that_names_any_node_ends_in_what_was_typed(dataset: str, system: str) -> None:
    for name in build(Config(dataset, system)).nodes:
        for target in (name, name.partition(".")[0]):
            with context("report", ["--seed", "1"]):
                assert (
                    completed(f"make it with: kdpipe run {target}   (or not)") == f"make it with: kdpipe run {target} --seed 1   (or not)"
                )


def test_every_verb_takes_its_options_from_the_one_table() -> None:
    for name in [*cli.list_commands(click.Context(cli)), "one"]:
        for param in verb(name).params:
            if isinstance(param, click.Option) and param.name in {*WHAT, *HOW} - {"workers"}:
                assert tuple(param.opts) == OPTIONS[param.name].flags, f"{name} {param.name}"


def test_whatever_plan_has_a_rule_has_too_but_json() -> None:
    assert taken(verb("plan")) - taken(verb("one")) == {"as_json"}


@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.sampled_from(sorted(READ["one"])), unique=True, min_size=1).flatmap(typed))
@example(words=["--set", "a={b} $HOME $$ `c` 'd' \"e\" \\ #\n:x", "--data-root", "/a b/{}$c", "--verify", "--upstream", "s3://x/{y}"])
@example(words=["--workers", "1", "--threads", "2", "--device", "cpu", "--log-json", "-v", "--allow-stale", "--seeds", "3"])
def test_every_option_of_a_rule_arrives_through_make_as_it_was_typed(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    python = tmp_path_factory.mktemp("make") / "python"
    python.write_text(f"#!{sys.executable}\nimport sys, json\nprint(json.dumps(sys.argv[1:]))\n")
    python.chmod(0o755)
    said = context("plan", ["report", "--make", *words])
    node = Node("report", Stage("report", "stages.report.run:run", object), object())
    with said, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        rules = planning.makefile([State(node, "missing")])
    done = subprocess.run(["make", "-s", "-f", "-"], input=rules, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    argv = json.loads(done.stdout)
    assert argv[:3] == ["-m", "pipeline", "one"]
    arrived = context("one", argv[3:])
    assert {name: arrived.params[name] for name in READ["one"]} == {name: said.params[name] for name in READ["one"]}


def test_what_make_cannot_carry_is_refused(house) -> None:
    assert "No such option" in house.run("plan", "report", "--make", "--dry-run", code=2).stderr
    assert "make report" in house.run("plan", "student", "--make", "--json", code=1).stderr


def hint(text: str, *words: str, name: str = "run") -> str:
    with context(name, list(words)):
        return completed(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("make it with: kdpipe run report", "make it with: kdpipe run report --set a=1 --workers 2"),
        ("kdpipe show extract.motion --ledger shows what was lost", "kdpipe show extract.motion --ledger --set a=1 shows what was lost"),
        ("kdpipe fsck --repair puts it aside; run again then", "kdpipe fsck --repair puts it aside; run again then"),
        ("kdpipe weights ls shows where", "kdpipe weights ls --set a=1 shows where"),
        ("kdpipe downloads nothing", "kdpipe downloads nothing"),
        ("kdpipe index, then kdpipe status", "kdpipe index --set a=1 --workers 2, then kdpipe status --set a=1"),
        ("(or kdpipe distill --stage dump)", "(or kdpipe distill --stage dump --set a=1 --workers 2)"),
        ("kdpipe run report --set a=2 --workers 4", "kdpipe run report --set a=2 --workers 4"),
        ('kdpipe accept STAGE --because "only a name"', 'kdpipe accept STAGE --because "only a name" --set a=1'),
    ],
)
def test_a_hint_keeps_what_was_typed_as_far_as_the_verb_reads_it(text: str, shown: str) -> None:
    assert hint(text, "x", "--set", "a=1", "--workers", "2", "--dry-run", "--json") == shown


def test_a_hint_keeps_the_last_of_what_was_typed_twice() -> None:
    assert hint("kdpipe run report", "x", "--set", "a=1", "--set", "b=2", "--set", "a=3") == "kdpipe run report --set a=3 --set b=2"


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_a_hint_is_completed_once_and_can_be_pasted(value: str) -> None:
    shown = hint("kdpipe run report", "x", "--set", f"a={value}")
    with context("run", ["x", "--set", f"a={value}"]):
        assert completed(shown) == shown or "$'" in shown
    echo = f"{sys.executable} -c 'import json, sys; print(json.dumps(sys.argv[1:]))' {shown}"
    words = json.loads(subprocess.run(["bash", "-c", echo], capture_output=True, text=True, check=True).stdout)
    assert words == ["kdpipe", "run", "report", "--set", f"a={value}"]


def test_following_the_hints_to_the_letter_ends_in_the_report(house) -> None:
    house.finish()
    command = ["report", "--set", "student.kd_alpha=2"]
    for _ in range(20):
        whole = [sys.executable, "-m", "pipeline", *command]
        done = subprocess.run(whole, cwd=house.root, env=house.environment, capture_output=True, text=True)
        if done.returncode == 0:
            break
        command = done.stderr.splitlines()[-1].split("kdpipe ")[1].split("   (")[0].split()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--seed", "1", "--seeds", "3"],
        ["--seeds", "2", "--set", "seeds=3"],
        ["--seed", "1", "--set", "seeds=2"],
        ["--set", "first_seed = 2", "--seed", "1"],
    ],
)
def test_seeds_that_contradict_one_another_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path))
    done = CliRunner().invoke(cli, ["plan", "--dataset", "tiny", *words])
    assert isinstance(done.exception, ConfigError) and "--seed" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "seeds"),
    [(["--seed", "1", "--set", "seeds=1"], [1]), (["--seeds", "3", "--set", "first_seed=1"], [1, 2, 3]), (["--seeds", "1"], [0])],
)
def test_seeds_that_agree_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], seeds: list[int]) -> None:
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path))
    said = json.loads(CliRunner().invoke(cli, ["plan", "teacher", "--dataset", "tiny", "--json", *words]).stdout)
    assert [row["node"] for row in said if row["node"].startswith("teacher")] == [f"teacher.s{seed}" for seed in seeds]


def test_a_rule_of_no_node_or_of_several_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path))
    for word, says in (("nothing", "is not a target"), ("student", "is 6 nodes")):
        done = CliRunner().invoke(cli, ["one", word, "--dataset", "tiny"])
        assert isinstance(done.exception, ConfigError) and says in str(done.exception)
