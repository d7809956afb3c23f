"""The report as text: what ``kdpipe report`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from stages.report import grids
from stages.report.grids import Summary


def render(summary: Summary) -> str:
    """Lay out the summary of :mod:`stages.report.summary` for a terminal."""
    head = [grids.title(summary), grids.what_intervals_are(summary)]
    about = [*grids.below(summary), *(f"! {flag}" for flag in summary["flags"])]
    sections = [head, _scores(summary), _differences(summary), _cost(summary), about]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _scores(summary: Summary) -> list[str]:
    found = grids.scores(summary)
    rules = (1, 1 + found.baselines) if summary["baselines"] else (1,)
    own = grids.own_intervals(summary)
    return grid([*found.heads, *found.rows], rule_after=rules) + ([own] if own else [])


def _differences(summary: Summary) -> list[str]:
    found = grids.differences(summary)
    return [grids.difference_head(summary), *(f"  {one.label}:  {one.number}   ({one.verdict})" for one in found)] if found else []


def _cost(summary: Summary) -> list[str]:
    found, note = grids.costs(summary), grids.cost_note(summary)
    if found is None:
        return []
    return [*grid([*found.heads, *found.rows], rule_after=(0,)), *([note] if note else [])]


def grid(rows: Sequence[Sequence[str]], rule_after: Sequence[int] = ()) -> list[str]:
    """Align columns: the first to the left, the others to the right; a rule after the given rows."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for place, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("  ".join(cells).rstrip())
        if place in rule_after:
            lines.append("─" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines
