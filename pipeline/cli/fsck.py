"""``kdpipe fsck``: is everything in the store what was put there?"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

import click

from cache.errors import DataError
from cache.finding import Finding
from cache.fsck import Fsck
from cache.repair import repair
from cache.store import Store
from pipeline import paths


class _Share(click.ParamType):  # type: ignore[type-arg]
    """``5%`` or ``0.05``."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As a number from 0 to 1."""
        text = str(value)
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{text!r} is no share: 5% or 0.05", param, ctx)
        return share


@click.command()
@click.option("--sample", "share", type=_Share(), default=0.0, metavar="5%", help="Read this share of the contents, drawn at random.")
@click.option("--all", "everything", is_flag=True, help="Read all contents: every bit is checked.")
@click.option("--repair", "mend", is_flag=True, help="Put what is damaged into quarantine/ and keep what is sound; nothing is deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks, and notes that are no damage.")
def fsck(share: float, everything: bool, mend: bool, as_json: bool, verbose: bool) -> None:
    """Check the store: its structure always, contents by sample or all. Ends with 1 if something is damaged.

    Every finding names what it touches and the command that mends it. With --repair the damaged things are then missing, not wrong:
    the commands named compute them, and only them, or `kdpipe pull` brings them back.
    """
    store = Store(paths.store_root())
    check = functools.partial(Fsck, store, 1.0 if everything else share, damaged_rows=_damaged_rows, damaged_weights=_damaged_weights)
    first = check()
    findings = list(first)
    damage = [finding for finding in findings if not finding.note]
    moved = repair(store, check, damage) if mend and damage else []
    if as_json:
        answer = {"damage": [_plain(f) for f in damage], "notes": [_plain(f) for f in findings if f.note]}
        answer |= {"checked": [dataclasses.asdict(first.checked)], "moved": [{"from": str(a), "to": str(b)} for a, b in moved]}
        click.echo(json.dumps(answer, indent=1))
    else:
        _say(store, findings, first, moved, verbose)
    sys.exit(1 if damage else 0)


def _say(store: Store, findings: list[Finding], check: Fsck, moved: list[tuple[Path, Path]], verbose: bool) -> None:
    for finding in findings:
        if finding.note and not verbose:
            continue
        click.echo(f"{'note' if finding.note else finding.kind}: {finding.path.relative_to(store.root)}: {finding.what}")
        if finding.items:
            shown = ", ".join(finding.items[:5]) + (f" and {len(finding.items) - 5} more" if len(finding.items) > 5 else "")
            click.echo(f"    touches {len(finding.items)} items: {shown}")
        if finding.repair and not finding.note:
            click.echo(f"    repair: {finding.repair}")
    for _, target in moved:
        click.echo(f"put aside: {target.relative_to(store.root)}")
    damage, notes = sum(not f.note for f in findings), sum(f.note for f in findings)
    done = check.checked
    read = f", {done.bytes / 1e6:.1f} MB of contents read" if done.bytes else ""
    click.echo(f"{done.records} records, {done.objects} objects, {done.refs} refs, {done.rows} rows{read}: {damage} damaged, {notes} notes")
    if damage and not moved:
        click.echo("kdpipe fsck --repair puts what is damaged aside, so that the next run makes it anew")


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "path": str(finding.path),
        "what": finding.what,
        "items": list(finding.items),
        "repair": finding.repair,
    }


def _damaged_rows(path: Path) -> list[str]:
    from cache.hdf5 import damaged_rows

    return damaged_rows(path)


def _damaged_weights(path: Path) -> str:
    from models.backbones.converted import verify

    try:
        verify(path)
    except DataError as error:
        return str(error.message)
    return ""
