"""``kdpipe predict``: what a trained network says of files that are in no dataset."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cache.errors import ConfigError, KdpipeError
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, session_options
from pipeline.predict import showing
from pipeline.predict.asking import Asking, Said
from pipeline.predict.files import classes_in, listed
from pipeline.predict.network import Chosen, of_graph, of_result

#: Options of how it is done, of those that verbs share: nothing is stored or fetched.
HOW = ("workers", "threads", "log_json")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR...")
@click.option("--question", "questions", multiple=True, metavar="TEXT", help="About each video (default: read from standard input).")
@click.option("--support", type=click.Path(path_type=Path), metavar="DIR", help="Folders of example videos, named as their classes.")
@click.option("--network", default="", metavar="NODE", help="teacher, student.alone ... (default: the distilled student).")
@click.option("--modality", default="", metavar="NAME", help="What it looks at, if it has a choice: video, audio, both (xkd); both (gkd).")
@click.option("--from", "source", default="", metavar="PIN", help="The network of a pin or key, or one that it was made from.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="So many answers, classes, labels or segments.")
@session_options(*WHAT, *HOW, *LOOK)
def predict(
    session: Session,
    files: tuple[str, ...],
    questions: tuple[str, ...],
    support: Path | None,
    network: str,
    modality: str,
    source: str,
    top: int,
) -> int:
    """Say what a trained network finds in FILES: an answer, classes, labels, or segments with times.

    Frames, features and so on are made by the code, and with the settings, that made them of the dataset. With --json there is one line a
    file (and question). Exit code 1: something could not be read, and the rest was answered.
    """
    judge = session.look()
    chosen = of_result(judge, source, network) if source else of_graph(judge, network)
    say_assumed(judge)
    _check(chosen, questions, support)
    if chosen.note:
        click.echo(f"note: {chosen.note}", err=True)
    waits = chosen.how.question and not questions
    with Asking(judge, chosen, session.options, modality=modality, top=top, keep=waits) as asking:
        typed = listed(files, sounds=asking.hears)
        classes = classes_in(support, len(typed)) if support is not None else {}
        fine = _show(session, chosen, asking.learn(classes))
        fine = _show(session, chosen, asking.about(typed, questions)) and fine
        for text in _typed() if waits else ():
            fine = _show(session, chosen, asking.again(text)) and fine
    return 0 if fine else 1


def _check(chosen: Chosen, questions: tuple[str, ...], support: Path | None) -> None:
    """Raise ConfigError for options that the network has no use for, or lacks."""
    wanted = chosen.how
    if questions and not wanted.question:
        raise ConfigError(f"{chosen.name} answers no questions", hint="leave --question out")
    if support is not None and not wanted.support:
        raise ConfigError(f"{chosen.name} knows its classes, and takes no examples", hint="leave --support out")
    if support is None and wanted.support:
        raise ConfigError(
            f"{chosen.name} has to be shown examples of each class", hint="--support DIR, with a folder of videos for each class"
        )


def _show(session: Session, chosen: Chosen, told: Iterator[Said]) -> bool:
    """Print what is said as it comes; whether nothing was lost."""
    fine = True
    for said in told:
        fine = fine and not said.lack
        if said.lack:
            click.echo(f"error: {showing.named(said)}: {said.lack}", err=True)
        if session.json:
            click.echo(showing.as_json(said, chosen.name, chosen.record.digest))
        elif said.answer is not None:
            click.echo("\n".join(showing.lines(said)))
    sys.stdout.flush()
    return fine


def _typed() -> Iterator[str]:
    """Questions from standard input, a line each; a person is asked for them."""
    if sys.stdin is None:
        raise KdpipeError("there is no question, and no standard input to read one from", hint='--question "what is the man doing?"')
    person = sys.stdin.isatty()
    while True:
        if person:
            click.echo("question: ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()
