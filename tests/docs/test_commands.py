"""Every command that the README and the docs show: it runs as printed, or at least it is one."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipeline.cli import cli
from pipeline.declared import declared
from tests import warm
from tests.command import PROJECT, variables

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
SHOWN = re.compile(r"^ {4}(?:\$ )?(?:\.venv/bin/)?((?:kdpipe|make) .*)$")

#: What a name in a command stands for here; the rest of a path is kept.
STANDS_FOR = {
    "/data/msvd": "msvd",
    "/mnt/team/store": "team",
    "~/Videos": "msvd/YouTubeClips",
    "~/mine": "home/mine",
    "~/outbox": "home/outbox",
    "DIR": "drawn",
    "ours": "tiny",
    "own": "tiny",
    "614eb80421e4": "extract.appearance",
}
#: Commands that are only parsed: the beginning of each, and why it is not run.
ONLY_PARSED = {
    "kdpipe push s3://": "needs a bucket",
    "kdpipe pull s3://": "needs a bucket",
    "kdpipe run features --upstream s3://": "needs a bucket",
    "kdpipe run features --executor slurm": "needs a Slurm",
    "kdpipe run features --executor ray": "needs Ray",
    "kdpipe weights check FILE": "needs published weights",
    "kdpipe weights import": "needs published weights",
    "kdpipe run extract.appearance --dataset msvd": "needs published weights",
    "kdpipe run extract.motion --dataset msvd": "needs published weights",
    "kdpipe run features --dataset msvd": "needs published weights",
    "kdpipe run extract --dataset msvd": "needs published weights",
    "kdpipe make-records list.csv": "needs published weights",
    "kdpipe run features --set sample.decode=torchcodec": "needs torchcodec",
    "kdpipe run report --set student.kd_alpha=2 --seeds 5": "trains for minutes",
    "kdpipe run report --system fewerframes": "needs the shards of YouTube-8M and a GPU",
    "kdpipe run ingest --system fewerframes": "needs the shards of YouTube-8M",
    "kdpipe distill --system fewerframes": "trains for minutes",
    "kdpipe distill --system litemkd": "trains for minutes",
    "kdpipe evaluate --system litemkd": "needs what that trains",
    "kdpipe timing --system litemkd": "needs what that trains",
    "kdpipe import-features ucf/feature/mm_features": "needs the authors' features",
    "kdpipe run report --system gkd": "trains for minutes",
    "kdpipe distill --system gkd": "trains for minutes",
    "kdpipe run report --system xkd": "needs the videos, or published encoders",
    "kdpipe index --dataset labelled": "needs videos with a table of classes",
    "kdpipe index --dataset csv-qa": "needs videos with a table of questions",
    "kdpipe index --dataset csv-labels": "needs videos with a table of labels",
    "kdpipe distill --system videoqa": "the same as in the README",
    "kdpipe export --out exported": "the same as in the README",
    "kdpipe doctor --system videoqa --bench": "measures for minutes",
    "kdpipe doctor --dataset msvd": "asks for published weights",
    "kdpipe world --layout msvd-qa --size small": "draws for minutes",
    "kdpipe world --layout yt8m --size medium": "draws for minutes",
    "kdpipe world --layout ucf101 --size medium": "draws for minutes",
    "kdpipe world --layout thumos14 --size small": "draws for minutes",
    "kdpipe world --layout kinetics-sound --size medium": "draws for minutes",
    "kdpipe world --layout esc50 --size small": "draws a hundred megabytes",
    "kdpipe world --layout fsd50k --size small": "draws a hundred megabytes",
    "kdpipe run derive --system litemkd": "draws and derives for a minute",
    "kdpipe show derive": "needs what that derives",
    "kdpipe why teacher.s0 --dataset msvd": "needs published weights",
    "kdpipe why index --dataset own": "the dataset is an example",
    "kdpipe predict clip.mp4": "the file is an example",
    "kdpipe predict clip.mp4 bark.wav": "the files are examples",
    "kdpipe predict match.mp4": "the file is an example",
    "kdpipe predict programme.mp4": "the file is an example",
    "kdpipe compare evaluate --set-b": "needs what is trained with that setting",
    "kdpipe compare camera-ready": "needs an edit in between",
    "kdpipe run report --log wandb": "needs an account",
    "kdpipe ls --tree": "lists a key of the example",
}
#: Commands whose answer is an error, as the page shows.
ERRORS = {"kdpipe open camera-ready model.jsn"}


def commands() -> Iterator[tuple[str, str]]:
    """(page, command) of every command shown, continued lines joined, comments left out."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if match := SHOWN.match(line):
                told = re.split(r"\s+#\s|   \(", match[1])[0]
                yield page.relative_to(PROJECT).as_posix(), " ".join(told.split())


def words(command: str, place: Path) -> list[str]:
    """The words of a command, with what its names stand for under ``place``."""
    found = []
    for word in shlex.split(command):
        for name, stands in STANDS_FOR.items():
            if word == name or word.startswith(f"{name}/"):
                word = stands + word[len(name) :] if stands in ("tiny", "extract.appearance") else str(place / (stands + word[len(name) :]))
                break
        found.append(word)
    return found


def parse(argv: list[str]) -> None:
    """Let click read a command line as it would before running it."""
    context, command = click.Context(cli, info_name="kdpipe"), cli
    while isinstance(command, click.Group):
        name, argv = argv[0], argv[1:]
        found = command.get_command(context, name)
        assert found is not None, f"no command {name}"
        command = found
    for param in command.params:  # a file of an example need not be there
        if isinstance(param.type, click.Path):
            param.type = click.Path(path_type=Path)
    command.make_context(command.name, argv, parent=context)


def test_the_pages_show_commands() -> None:
    assert len(list(commands())) > 60


@pytest.mark.parametrize(("page", "command"), list(dict.fromkeys(commands())))
def test_a_command_of_the_pages_is_one(page: str, command: str, tmp_path: Path) -> None:
    program, *rest = words(command.replace("[", "").replace("]", "") if command.startswith("make") else command, tmp_path)
    if program == "kdpipe":
        parse(rest)
        return
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    known = {"features", *declared("stages", "systems"), *(target for line in named for target in line.split())}
    for word in rest:
        name, equals, value = word.partition("=")
        assert re.search(rf"\b{name}\b", makefile) if equals else name in known, word
        if name == "ARGS" and "--" in value:
            parse(["plan", *shlex.split(value)])


def test_the_list_of_what_is_not_run_names_commands_that_are_shown() -> None:
    shown = [command for _, command in commands()]
    assert [start for start in ONLY_PARSED if not any(command.startswith(start) for command in shown)] == []
    assert [command for command in ERRORS if command not in shown] == []


@pytest.mark.long
def test_the_commands_of_the_pages_run_as_printed(finished: Path, tmp_path: Path) -> None:
    """One after the other, in a finished store of sixteen drawn videos."""
    (tmp_path / "home").mkdir()
    shutil.copytree(finished, tmp_path / "store")
    more = {"KDPIPE_DATASET": "tiny", "PYTHONPATH": str(PROJECT), "HOME": str(tmp_path / "home")}

    def kdpipe(*argv: str) -> subprocess.CompletedProcess[str]:
        return warm.run("pipeline", *argv, cwd=tmp_path, env=variables(tmp_path / "store", **more))

    for prepared in (["export-features", str(tmp_path)], ["world", "--size", "tiny", "--out", str(tmp_path / "msvd")]):
        done = kdpipe(*prepared)
        assert done.returncode == 0, done.stderr
    wrong = []
    for page, command in dict.fromkeys(commands()):
        if not command.startswith("kdpipe") or command.startswith(tuple(ONLY_PARSED)):
            continue
        done = kdpipe(*words(command, tmp_path)[1:])
        if (done.returncode != 0) != (command in ERRORS):
            wrong.append(f"{page}: {command}: {done.returncode}\n{done.stdout[-300:]}{done.stderr[-600:]}")
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        if command.startswith("kdpipe import-features"):  # the next page means computed features
            kdpipe("import-features", "--undo")
    assert not wrong, "\n\n".join(wrong)
