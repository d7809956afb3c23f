"""The tables of a report as cells of text, whatever they are shown as: a terminal, a page, csv, LaTeX, Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stages.report.replicates import Replicates

Summary = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """Rows of cells, the first of each its label.

    heads: the rows above; rows: networks, then baselines, which begin at ``baselines``.
    """

    heads: list[list[str]]
    rows: list[list[str]]
    baselines: int


@dataclass(frozen=True)
class Difference:
    """A paired difference in words; ``established`` None: there is no interval."""

    label: str
    number: str
    verdict: str
    established: bool | None


def scores(summary: Summary) -> Grid:
    """Every network and baseline by columns, with what each column is over."""
    columns, items = summary["columns"], summary["items"]
    main = columns[0]
    heads = [c["name"] + (f", {c['unit']}" if c["unit"] not in ("", main["unit"]) else "") for c in columns]
    counts = [span(items["scored"]), *(span(column["items"]) for column in columns[1:])]
    body = [
        [row["label"], *(number(row["scores"].get(column["name"]), column) for column in columns)]
        for row in [*summary["networks"], *map(without_idle_intervals, summary["baselines"])]
    ]
    return Grid([["", *heads], [items["plural"], *counts]], body, len(summary["networks"]))


def costs(summary: Summary) -> Grid | None:
    """What every network costs; None if nothing is known of it."""
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
        return None
    rows = [[row["label"], *(cell(row) for _, cell in columns)] for row in networks]
    return Grid([["", *(head for head, _ in columns)]], rows, len(rows))


def cost_note(summary: Summary) -> str:
    """What a reader of the costs has to know."""
    notes, timing = [summary["cost_note"]] if summary["cost_note"] else [], summary["timing"]
    if timing:
        how = f"{timing['device']}, {timing['threads']} thread, median of {timing['repeats']}, batch {timing['batch_size']}"
        notes.append(f"times were measured once, on the machine that made this ({how})")
    return "; ".join(notes)


def difference_head(summary: Summary) -> str:
    """What the paired differences are."""
    main, kind = summary["columns"][0], replicates(summary).kind
    unit = {"%": " in points,", "": ""}.get(main["unit"], f" in {main['unit']},")
    return f"paired differences, {kind} by {kind},{unit}".rstrip(",") + f" (± {100 * summary['level']:g} % interval)"


def differences(summary: Summary) -> list[Difference]:
    """Every pair, and whether its difference is established."""
    main, kind, found = summary["columns"][0], replicates(summary).kind, []
    for row in summary["differences"]:
        if row["half"] is None:
            verdict = f"no interval: one {kind}"
        else:
            verdict = "the interval excludes 0" if row["excludes_zero"] else "the interval includes 0: not established"
        established = None if row["half"] is None else bool(row["excludes_zero"])
        found.append(Difference(row["label"], number(row, main, sign=True), verdict, established))
    return found


def title(summary: Summary) -> str:
    """What was measured on what."""
    unit = summary["columns"][0]["unit"]
    return f"{summary['task']} on {summary['dataset']}: {summary['split']} {summary['metric']}" + (f" in {unit}" if unit else "")


def what_intervals_are(summary: Summary) -> str:
    """What stands behind ±."""
    own = summary["own"]
    if own and len(summary["replicates"]) == 1:
        return f"score ± its own {own_interval(own)}; {replicates(summary)}"
    return f"mean ± {100 * summary['level']:g} % interval over {replicates(summary)}"


def own_intervals(summary: Summary) -> str:
    """The widest interval of its own that each network has, where there are several replicates; "" if there is none."""
    if not summary["own"] or len(summary["replicates"]) < 2:
        return ""
    main = summary["columns"][0]
    rows = [row for row in summary["networks"] if row["scores"][main["name"]]["own"] is not None]
    each = ", ".join(f"{row['label']} ± {plain(row['scores'][main['name']]['own'], main)}" for row in rows)
    return f"each {replicates(summary).kind}'s own {own_interval(summary['own'])}, at most: {each}"


def below(summary: Summary) -> list[str]:
    """What was counted, and the notes of the system."""
    items, lines = summary["items"], []
    if items["needs"]:
        lines.append(f"{summary['split']} {items['plural']}: {span(items['scored'])} of {span(items['total'])} have {_a(items['needs'])}")
    strict = [row for row in summary["networks"] if row["strict"]]
    if items["scored"] != items["total"] and strict:
        each = ", ".join(f"{row['label']} {number(row['strict'], summary['columns'][0])}" for row in strict)
        lines.append(f"strict (a lost {items['one']} is wrong): {each}")
    return lines + list(summary["notes"])


def without_idle_intervals(baseline: dict[str, Any]) -> dict[str, Any]:
    """A baseline that is the same in every replicate has no interval over them."""
    found = {
        name: {**score, "half": score["half"] if len(set(score["values"])) > 1 else None} for name, score in baseline["scores"].items()
    }
    return {**baseline, "scores": found}


def number(value: dict[str, Any] | None, column: dict[str, Any], *, sign: bool = False) -> str:
    """``61.2 ± 1.3`` of a mean and half width; the value's own interval if there is none over replicates; ``–`` for nothing."""
    if value is None:
        return "–"
    half = value["half"] if value["half"] is not None else value.get("own")
    mean = plain(value["mean"], column, "+" if sign else "")
    return mean if half is None else f"{mean} ± {plain(half, column)}"


def plain(value: float, column: dict[str, Any], sign: str = "") -> str:
    """A number as its column shows it."""
    return f"{(100 if column['unit'] == '%' else 1) * value:{sign}.{column['digits']}f}"


def span(counts: Sequence[int | None]) -> str:
    """A number, or the least and the most of several replicates."""
    there = [count for count in counts if count is not None]
    if not there:
        return ""
    return str(min(there)) if min(there) == max(there) else f"{min(there)}–{max(there)}"


def own_interval(own: dict[str, Any]) -> str:
    """What the intervals are that an evaluation has of its own."""
    return f"{100 * own['level']:g} % interval over {own['n']:,} {own['samples']}"


def replicates(summary: Summary) -> Replicates:
    """The seeds and folds of a summary."""
    return Replicates(summary["seeds"], summary["folds"])


def _cost_of(row: dict[str, Any], cost: dict[str, Any]) -> str:
    value = row["costs"].get(cost["key"])
    return "–" if value is None else f"{value / cost['per']:,.{cost['digits']}f}"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
