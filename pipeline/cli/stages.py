"""The verbs that run one stage again, alone: ``kdpipe extract``, ``kdpipe distill --stage student`` ..."""

from __future__ import annotations

import click

from cache.errors import ConfigError, nearest
from cache.stage import Stage
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.run import run_nodes
from pipeline.cli.session import Session, select, session_options


def verb(stage: Stage) -> click.Command:
    """The command that runs a stage."""

    @click.command(stage.name, help=stage.help)
    @session_options(*WHAT, *HOW, "dry_run", *LOOK)
    def command(session: Session) -> None:
        run_nodes(session, select(session, (stage.name,)))

    return command


@click.command()
@click.option("--stage", required=True, help="Which part of the distillation: teacher, dump, student, or what else the system trains.")
@click.option("--no-kd", is_flag=True, help="With --stage student: only the baseline, trained without a teacher.")
@session_options(*WHAT, *HOW, "dry_run", *LOOK)
def distill(session: Session, stage: str, no_kd: bool) -> None:
    """Train the teacher, dump its targets, or train the students against them."""
    if no_kd and stage != "student":
        raise click.UsageError("--no-kd goes with --stage student")
    parts = {node.stage.name for node in session.graph.nodes.values() if node.stage.verb == "distill"}
    if stage not in parts:
        raise ConfigError(f"'{stage}' is no part of the distillation of {session.graph.config.system}", hint=nearest(stage, parts))
    run_nodes(session, select(session, ("student.alone" if no_kd else stage,)))
