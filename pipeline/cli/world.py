"""``kdpipe world``: draw the embedded world into a directory of the user's choice."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import click

from pipeline.progress import Bars, mode
from stages.world import WorldParams

#: What the stage of that name says of its parameters.
SAID = {field.name: field.metadata for field in dataclasses.fields(WorldParams)}


@click.command()
@click.option(
    "--layout", default="msvd-qa", show_default=True, type=click.Choice(SAID["layout"]["choices"]), help="Official layout to write."
)
@click.option(
    "--size",
    default="small",
    show_default=True,
    type=click.Choice(SAID["size"]["choices"]),
    help=f"Videos ({SAID['size']['doc']}).",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed draws the same world.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory to write; must be empty or new.")
@click.option("--workers", type=click.IntRange(1), help="Drawing processes (default: all cores).")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks.")
def world(layout: str, size: str, seed: int, out: Path, workers: int | None, verbose: bool) -> None:
    """Draw a world: videos with sound, annotations and ground truth, as DATA_ROOT for any other command."""
    from world.generate import generate

    if out.exists() and any(out.iterdir()):
        raise click.UsageError(f"{out} is not empty")
    generate(out, layout, size, seed, workers or len(os.sched_getaffinity(0)), Bars("world", mode(False)))
    click.echo(f"{out}: the {layout} layout, size {size}, seed {seed}")
