"""The report as text: what ``kdpipe report`` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stages.report.replicates import Replicates

Summary = dict[str, Any]


def render(summary: Summary) -> str:
    """Lay out the summary of :mod:`stages.report.summary` for a terminal."""
    about = [*_below(summary), *(f"! {flag}" for flag in summary["flags"])]
    sections = [_head(summary), _scores(summary), _differences(summary), _cost(summary), about]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(summary: Summary) -> list[str]:
    unit = summary["columns"][0]["unit"]
    title = f"{summary['task']} on {summary['dataset']}: {summary['split']} {summary['metric']}" + (f" in {unit}" if unit else "")
    own = summary["own"]
    if own and len(summary["replicates"]) == 1:
        return [title, f"score ± its own {_own(own)}; {_replicates(summary)}"]
    return [title, f"mean ± {100 * summary['level']:g} % interval over {_replicates(summary)}"]


def _scores(summary: Summary) -> list[str]:
    columns, items = summary["columns"], summary["items"]
    main = columns[0]
    heads = [c["name"] + (f", {c['unit']}" if c["unit"] not in ("", main["unit"]) else "") for c in columns]
    counts = [_span(items["scored"]), *(_span(column["items"]) for column in columns[1:])]
    body = [
        [row["label"], *(number(row["scores"].get(column["name"]), column) for column in columns)]
        for row in [*summary["networks"], *map(_without_idle_intervals, summary["baselines"])]
    ]
    rules = (1, 1 + len(summary["networks"])) if summary["baselines"] else (1,)
    lines = grid([["", *heads], [items["plural"], *counts], *body], rule_after=rules)
    if summary["own"] and len(summary["replicates"]) > 1:
        name = main["name"]
        rows = [row for row in summary["networks"] if row["scores"][name]["own"] is not None]
        each = ", ".join(f"{row['label']} ± {_plain(row['scores'][name]['own'], main)}" for row in rows)
        lines.append(f"each {_replicates(summary).kind}'s own {_own(summary['own'])}, at most: {each}")
    return lines


def _without_idle_intervals(baseline: dict[str, Any]) -> dict[str, Any]:
    """A baseline that is the same in every replicate has no interval over them."""
    scores = {
        name: {**score, "half": score["half"] if len(set(score["values"])) > 1 else None} for name, score in baseline["scores"].items()
    }
    return {**baseline, "scores": scores}


def _differences(summary: Summary) -> list[str]:
    if not summary["differences"]:
        return []
    main, kind = summary["columns"][0], _replicates(summary).kind
    unit = {"%": " in points,", "": ""}.get(main["unit"], f" in {main['unit']},")
    lines = [f"paired differences, {kind} by {kind},{unit}".rstrip(",") + f" (± {100 * summary['level']:g} % interval)"]
    for row in summary["differences"]:
        if row["half"] is None:
            verdict = f"no interval: one {kind}"
        else:
            verdict = "the interval excludes 0" if row["excludes_zero"] else "the interval includes 0: not established"
        lines.append(f"  {row['label']}:  {number(row, main, sign=True)}   ({verdict})")
    return lines


def _cost(summary: Summary) -> list[str]:
    networks, timing = summary["networks"], summary["timing"]
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        (cost["head"], lambda row, cost=cost: _cost_of(row, cost))  # type: ignore[misc]
        for cost in summary["costs"]
        if cost["head"] and any(cost["key"] in row["costs"] for row in networks)
    ]
    if timing:
        one = timing.get("sample") or summary["items"]["one"]
        columns += [
            (head, lambda row, key=key: f"{row['times'][key]:.2f}" if row["times"] else "–")  # type: ignore[misc]
            for head, key in ((f"ms/{one}", "ms_alone"), ("ms in batch", "ms_in_batch"))
        ]
    if not columns:
        return []
    rows = [["", *(head for head, _ in columns)], *([row["label"], *(cell(row) for _, cell in columns)] for row in networks)]
    notes = [summary["cost_note"]] if summary["cost_note"] else []
    if timing:
        how = f"{timing['device']}, {timing['threads']} thread, median of {timing['repeats']}, batch {timing['batch_size']}"
        notes.append(f"times were measured once, on the machine that made this ({how})")
    return [*grid(rows, rule_after=(0,)), *(["; ".join(notes)] if notes else [])]


def _cost_of(row: dict[str, Any], cost: dict[str, Any]) -> str:
    value = row["costs"].get(cost["key"])
    return "–" if value is None else f"{value / cost['per']:,.{cost['digits']}f}"


def _below(summary: Summary) -> list[str]:
    """What was counted, and the notes of the system."""
    items, lines = summary["items"], []
    if items["needs"]:
        lines.append(f"{summary['split']} {items['plural']}: {_span(items['scored'])} of {_span(items['total'])} have {_a(items['needs'])}")
    strict = [row for row in summary["networks"] if row["strict"]]
    if items["scored"] != items["total"] and strict:
        each = ", ".join(f"{row['label']} {number(row['strict'], summary['columns'][0])}" for row in strict)
        lines.append(f"strict (a lost {items['one']} is wrong): {each}")
    return lines + list(summary["notes"])


def number(value: dict[str, Any] | None, column: dict[str, Any], *, sign: bool = False) -> str:
    """``61.2 ± 1.3`` of a mean and half width; the value's own interval if there is none over replicates; ``–`` for nothing."""
    if value is None:
        return "–"
    half = value["half"] if value["half"] is not None else value.get("own")
    mean = _plain(value["mean"], column, "+" if sign else "")
    return mean if half is None else f"{mean} ± {_plain(half, column)}"


def _plain(value: float, column: dict[str, Any], sign: str = "") -> str:
    return f"{(100 if column['unit'] == '%' else 1) * value:{sign}.{column['digits']}f}"


def _span(counts: Sequence[int | None]) -> str:
    """A number, or the least and the most of several replicates."""
    there = [count for count in counts if count is not None]
    if not there:
        return ""
    return str(min(there)) if min(there) == max(there) else f"{min(there)}–{max(there)}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _own(own: dict[str, Any]) -> str:
    return f"{100 * own['level']:g} % interval over {own['n']:,} {own['samples']}"


def _replicates(summary: Summary) -> Replicates:
    return Replicates(summary["seeds"], summary["folds"])


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
