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
@click.option("--action", "actions", multiple=True, help="Draw clips of this action alone; repeat for more.")
@click.option(
    "--setting",
    default="varied",
    show_default=True,
    type=click.Choice(SAID["setting"]["choices"]),
    help=f"Setting {SAID['setting']['doc']}.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory to write; must be empty or new.")
@click.option("--workers", type=click.IntRange(1), help="Drawing processes (default: all cores).")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks.")
def world(layout: str, size: str, seed: int, actions: tuple[str, ...], setting: str, out: Path, workers: int | None, verbose: bool) -> None:
    """Draw a world: videos with sound, annotations and ground truth, as DATA_ROOT for any other command."""
    from world.generate import ACTED, generate
    from world.layout import Shown

    shown = Shown(actions, setting)
    if shown != Shown() and layout not in ACTED:
        raise click.UsageError(f"--action and --setting are of worlds of clips: --layout {', '.join(ACTED)}")
    if out.exists() and any(out.iterdir()):
        raise click.UsageError(f"{out} is not empty")
    generate(out, layout, size, seed, workers or len(os.sched_getaffinity(0)), Bars("world", mode(False)), shown)
    click.echo(f"{out}: the {layout} layout, size {size}, seed {seed}")
