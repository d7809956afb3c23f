"""The verbs that run one stage again, alone: ``kdpipe extract``, ``kdpipe distill --stage student`` ..."""

from __future__ import annotations

import click

from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.run import run_nodes
from pipeline.cli.session import Session, select, session_options


def _verb(stage: str, text: str) -> click.Command:
    @click.command(stage, help=text)
    @session_options(*WHAT, *HOW, "dry_run", *LOOK)
    def command(session: Session) -> None:
        run_nodes(session, select(session, (stage,)))

    return command


index = _verb("index", "Read the dataset's official layout into one index.")
ingest = _verb("ingest", "Read shards of published frame features into one frame store a partition.")
sample = _verb("sample", "Choose frames, decode each video once, keep the frames.")
questions = _verb("questions", "Tokenise questions, build the vocabulary, look up word vectors.")
extract = _verb("extract", "Extract appearance and motion features into HDF5.")
evaluate = _verb("evaluate", "Score every network by the paper's protocol.")


@click.command()
@click.option("--stage", type=click.Choice(["teacher", "dump", "student"]), required=True, help="Which part of the distillation.")
@click.option("--no-kd", is_flag=True, help="With --stage student: only the baseline, trained without a teacher.")
@session_options(*WHAT, *HOW, "dry_run", *LOOK)
def distill(session: Session, stage: str, no_kd: bool) -> None:
    """Train the teacher, dump its targets, or train the students against them."""
    if no_kd and stage != "student":
        raise click.UsageError("--no-kd goes with --stage student")
    run_nodes(session, select(session, ("student.alone" if no_kd else stage,)))
