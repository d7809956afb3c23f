"""``kdpipe export-features``: features as published code reads them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cache.errors import KdpipeError
from models.backbones.kinds import KINDS
from pipeline import paths
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, session_options
from pipeline.cli.typed import command
from pipeline.progress import Bars
from pipeline.resolve import of_node
from pipeline.text import size_text

WORDS = f"[{'|'.join(KINDS)}|all] DIRECTORY"


@click.command("export-features")
@click.argument("words", nargs=-1, required=True, metavar=WORDS)
@click.option(
    "--format",
    "form",
    type=click.Choice(["hcrn", "dualvgr", "mkd", "npy"]),
    default="hcrn",
    show_default=True,
    help="HDF5 under the names that this code base reads (mkd: ..._feat_24.h5), or a directory of <id>.npy.",
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@session_options(*WHAT, "log_json", "dry_run", *LOOK)
def export_features(session: Session, words: tuple[str, ...], form: str, force: bool) -> None:
    """Write features (of one kind, or all) to DIRECTORY, read through their checksums. --dry-run only names the files."""
    from pipeline.exporting import export, stored, target_of

    kind, directory = ("all", *words) if len(words) == 1 else words[:2]
    if len(words) > 2 or kind not in (*KINDS, "all"):
        raise click.UsageError(f"expected {WORDS}")
    judge = session.look()
    plans = []
    for one in [one for one in KINDS if f"extract.{one}" in session.graph.nodes] if kind == "all" else [kind]:
        name = f"extract.{one}"
        record = of_node(judge, name).record
        if record is None:
            raise session.never_made(name)
        found = stored(session.store, record)
        plans.append((found, target_of(found, paths.expanded(directory), form)))
    taken = [str(target) for _, target in plans if target.exists()]
    if taken and not force:
        raise KdpipeError(f"{' and '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already", hint="--force replaces it")
    written = []
    for found, target in plans:
        about = found.about
        if not session.dry_run:
            export(found, target, form, Bars(f"extract.{about['kind']}", session.options.progress))
        shape = [len(found.reader), *found.reader.shape]
        row = {"file": str(target), "kind": about["kind"], "array": about["array"], "shape": shape, "zero_rows": about["zero_rows"]}
        written.append({**row, "imported": about.get("imported")})
        if not session.json:
            click.echo(f"{target}  {about['array']} float32 {shape}{_size(target, session.dry_run)}")
            if about["zero_rows"]:
                again = command("show", f"extract.{about['kind']}", "--ledger")
                click.echo(f"  rows of zeros: {len(about['zero_rows'])}; {again}")
    if session.json:
        click.echo(json.dumps(written, indent=1, sort_keys=True))


def _size(target: Path, dry_run: bool) -> str:
    files = [] if dry_run else [target] if target.is_file() else list(target.iterdir())
    return f"  {size_text(sum(file.stat().st_size for file in files))}" if files else "  (--dry-run)"
