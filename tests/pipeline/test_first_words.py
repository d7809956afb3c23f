"""What somebody types first: ``kdpipe --help`` by what people do, ``--version``, and what a shell completes."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import COMMANDS, cli
from pipeline.cli.groups import GROUPS, REST, STAGES, grouped
from pipeline.installed import own_version
from tests.command import PROJECT, kdpipe, plain_environment

#: Verbs with a place in the help that may not be there yet.
EXPECTED = {"export", "compare", "fill"}


def test_each_verb_stands_under_one_heading() -> None:
    listed = [name for names in GROUPS.values() for name in names]
    assert len(listed) == len(set(listed))
    assert {name for name, (_, text) in COMMANDS.items() if text} <= set(listed) <= set(COMMANDS) | EXPECTED


def test_a_verb_without_a_place_comes_last_and_one_that_is_not_there_is_left_out() -> None:
    found = grouped({"run": "Run.", "juggle": "Juggle."}, {"index": "Index."})
    assert list(found) == ["Run", STAGES, REST]
    assert found["Run"] == {"run": "Run."} and found[REST] == {"juggle": "Juggle."}


def test_the_help_shows_the_headings_and_every_verb_once() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"\n{title}:\n" in shown for title in (*GROUPS, STAGES)) and f"\n{REST}:" not in shown
    for name, (_, text) in COMMANDS.items():
        assert shown.count(f"\n  {name} ") == bool(text)


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    said = kdpipe(tmp_path, "--version").stdout
    assert said.startswith(f"kdpipe {own_version()} (Python {sys.version.split()[0]}, torch ")
    assert f"version = {own_version()}\n" in (PROJECT / "setup.cfg").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes(shell: str) -> None:
    said = completion(f"{shell}_source")
    assert "_kdpipe_completion" in said and f"_KDPIPE_COMPLETE={shell}_complete" in said


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("kdpipe sta", "status"),
        ("kdpipe status --dataset tinya", "tinyactions"),
        ("kdpipe run report --system g", "gkd"),
        ("kdpipe run --wor", "--workers"),
    ],
)
def test_verbs_options_datasets_and_systems_are_completed(typed: str, offered: str) -> None:
    said = completion("bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(typed.split()) - 1))
    assert f"plain,{offered}" in said.splitlines() and "plain,doctor" not in said


def completion(what: str, **more: str) -> str:
    """What the program says to a shell."""
    code = "import sys; sys.argv[0] = 'kdpipe'; from pipeline.cli import main; main()"
    environment = {**plain_environment(), "_KDPIPE_COMPLETE": what, **more}
    return subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout
