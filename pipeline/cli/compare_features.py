"""``kdpipe compare-features``: whose extractor gave these features, and do mine differ?"""

from __future__ import annotations

import json
import math
import sys
from contextlib import ExitStack
from typing import Any

import click

from cache.errors import KdpipeError, some
from pipeline import paths
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, session_options
from pipeline.progress import Bars
from pipeline.resolve import resolve
from pipeline.text import line_text


@click.command("compare-features")
@click.argument("first")
@click.argument("second")
@click.option("--tolerance", type=click.FloatRange(0), default=1e-3, show_default=True, help="Largest max|a-b| / max|b| of a video.")
@click.option("--common", is_flag=True, help="Ignore videos that only one of the two has.")
@click.option("--per-id", is_flag=True, help="Show every video.")
@click.option("--top", type=click.IntRange(0), default=5, show_default=True, help="How many of the worst videos are shown.")
@session_options(*WHAT, "log_json", *LOOK)
def compare_features(session: Session, first: str, second: str, tolerance: float, common: bool, per_id: bool, top: int) -> None:
    """Compare features FIRST with SECOND: HDF5 files, directories of <id>.npy, nodes, pins or keys.

    Ends with 0 if they agree within --tolerance, with 1 if they do not.
    """
    from pipeline.comparing import compare, plain

    with ExitStack() as stack:
        one, other = (stack.enter_context(_opened(session, text)) for text in (first, second))
        found = compare(one, other, Bars("features", session.options.progress))
        agree = found.agree(tolerance, common=common)
        if session.json:
            verdict = {
                "agree": agree,
                "tolerance": tolerance,
                "videos": len(found.rows),
                "equal": sum(row.relative == 0 for row in found.rows),
                "largest_relative": found.largest if math.isfinite(found.largest) else None,
                "only_first": list(found.only_first),
                "only_second": list(found.only_second),
                "rows": list(plain(found)),
            }
            click.echo(json.dumps(verdict, indent=1, sort_keys=True))
        else:
            for line in _lines(found, first, second, per_id, top):
                click.echo(line)
            click.echo(_verdict(found, agree, tolerance, common))
    if not agree:
        sys.exit(1)


def _opened(session: Session, text: str) -> Any:
    """A file or tree of that name, or else a result of the store."""
    from pipeline.comparing import Opened
    from pipeline.exporting import stored
    from stages.imported.source import open_source

    path = paths.expanded(text)
    if path.exists():
        return open_source(path)
    if "/" in text or text.endswith((".h5", ".hdf5")):
        raise KdpipeError(f"there is no feature file {line_text(text)}")
    found = resolve(session.look(), text)
    if len(found) > 1:
        raise KdpipeError(f"'{line_text(text)}' names {len(found)} results", hint="name one: " + ", ".join(one.name for one in found))
    if found[0].record is None:
        raise session.never_made(found[0].name)
    return Opened(stored(session.store, found[0].record).reader)


def _lines(found: Any, first: str, second: str, per_id: bool, top: int) -> list[str]:
    lines = []
    for ids, text in ((found.only_first, first), (found.only_second, second)):
        if ids:
            lines.append(line_text(f"{len(ids)} videos only in {text}: {some(ids)}"))
    shown = list(found.rows) if per_id else found.worst[:top]
    if shown:
        width = max(5, *(len(line_text(row.id)) for row in shown))
        lines.append(f"{'video':{width}}  max|a-b|  relative    cosine")
        lines += [f"{line_text(row.id):{width}}  {row.absolute:8.2e}  {row.relative:8.2e}  {row.cosine:8.6f}" for row in shown]
        more = len(found.worst) - top
        lines += [f"and {more} more that differ (--per-id shows them)"] if not per_id and more > 0 else []
    return lines


def _verdict(found: Any, agree: bool, tolerance: float, common: bool) -> str:
    if not found.rows:
        return "they have no video in common"
    equal = sum(row.relative == 0 for row in found.rows)
    count = f"{len(found.rows)} videos in common, {equal} equal bit by bit"
    if equal == len(found.rows):
        return f"the same: {count}" if agree else f"not the same videos, but equal rows: {count} (--common makes do with that)"
    size = f"largest relative difference {found.largest:.2e}, tolerance {tolerance:g}"
    if agree:
        return f"they agree: {count}; {size}"
    return f"they differ: {count}; {size}" if found.largest > tolerance else f"they agree where both have videos: {count}; {size}"
