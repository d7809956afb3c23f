"""``kdpipe gc``: remove what nothing needs any more."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from cache import gc as collector
from cache.store import Store
from pipeline import paths
from pipeline.cli.options import LOOK, takes
from pipeline.text import size_text

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": collector.DAY}


class _Duration(click.ParamType):  # type: ignore[type-arg]
    """``7d``, ``12h``, ``30m``, ``0``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration: 7d, 12h, 30m, 0", param, ctx)
        return float(match[1]) * UNITS[match[2] or "d"]


@click.command()
@click.option("--yes", is_flag=True, help="Really remove; without it, only show what would go.")
@click.option("--keep", type=click.IntRange(0), default=3, show_default=True, help="Keep this many of the last results of every node.")
@click.option("--grace", type=_Duration(), default="7d", show_default=True, help="Keep what is younger than this: 7d, 12h, 30m, 0.")
@takes(*LOOK)
def gc(yes: bool, keep: int, grace: float, as_json: bool, verbose: bool) -> None:
    """Show (--yes: remove) what no ref, pin, recent result or running stage needs."""
    store = Store(paths.store_root())
    found = collector.collect(store, keep=keep, grace=grace) if yes else collector.find(store, keep=keep, grace=grace)
    total = sum(rubbish.size for rubbish in found)
    if as_json:
        rows = [{"kind": r.kind, "path": str(r.path), "what": r.what, "size": r.size, "age": r.age} for r in found]
        click.echo(json.dumps({"removed": yes, "size": total, "rubbish": rows}, indent=1))
        return
    for rubbish in found:
        click.echo(f"{rubbish.kind:10}  {rubbish.what:44}  {size_text(rubbish.size):>9}  {rubbish.age / collector.DAY:6.1f} days")
    if not found:
        click.echo("nothing to remove")
    elif yes:
        click.echo(f"removed {len(found)} things, {size_text(total)}")
    else:
        click.echo(f"{len(found)} things, {size_text(total)}, would go; kdpipe gc --yes removes them")
