"""``kdpipe export-derived``: flow, depth and skeletons in the files that other code bases read."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cache.errors import KdpipeError
from pipeline import paths
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, session_options
from pipeline.progress import Bars
from pipeline.resolve import resolve

FORMS = ("l8", "two-stream", "denseflow", "afsd", "flo", "alphapose", "keypoints")


@click.command("export-derived")
@click.argument("result", metavar="NODE")
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    required=True,
    help="l8: Lite-MKD's folders, from any coding; from xy or float: two-stream (dense_flow's folders with lists), denseflow, afsd (npy), "
    "flo; from keypoints: alphapose (its JSON), keypoints (npz).",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to; nothing is written over.")
@click.option("--frames", is_flag=True, help="The sampled frames beside (l8, two-stream, denseflow).")
@session_options(*WHAT, "log_json", "dry_run", *LOOK)
def export_derived(session: Session, result: str, form: str, out: Path, frames: bool) -> None:
    """Write what NODE (derive.flow, derive.depth, derive.skeleton) holds. --dry-run only names the directories."""
    from pipeline.derived import derivation
    from pipeline.exporting_derived import check, export, targets

    results = resolve(session.look(), result)
    if len(results) > 1:
        raise KdpipeError(f"'{result}' means {', '.join(one.name for one in results)}", hint="name one of them")
    record = results[0].record
    if record is None:
        raise session.never_made(results[0].name)
    found, out = derivation(session.store, record), paths.expanded(out)
    check(found, form, frames)
    made = targets(found, out, form, frames)
    if not session.dry_run:
        export(found, out, form, Bars(record.node, session.options.progress), frames)
    if session.json:
        about = {"kind": found.kind, "coding": found.coding, "expert": found.about.get("expert"), "videos": len(found.rows)}
        click.echo(json.dumps({"directories": [str(path) for path in made], "form": form, **about}, indent=1, sort_keys=True))
        return
    for path in made:
        click.echo(f"{path}  {len(found.rows):,} videos{'  (--dry-run)' if session.dry_run else ''}")
