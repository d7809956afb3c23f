"""The report as text: what ``kdpipe report`` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def render(summary: dict[str, Any]) -> str:
    """Lay out the summary of :mod:`stages.report.summary` for a terminal."""
    seeds = summary["seeds"]
    level = f"{100 * summary['level']:g} %"
    lines = [
        f"{summary['task']} on {summary['dataset']}: {summary['split']} {summary['metric']} in %",
        f"mean ± {level} interval over {len(seeds)} seed{'s' if len(seeds) != 1 else ''} ({', '.join(map(str, seeds))})",
        "",
        *_accuracies(summary),
        "",
        *_differences(summary, level),
        "",
        *_cost(summary),
        "",
        *_coverage(summary),
    ]
    lines += [f"! {flag}" for flag in summary["flags"]]
    return "\n".join(lines) + "\n"


def _accuracies(summary: dict[str, Any]) -> list[str]:
    types, counts = summary["types"], summary["questions_by_type"]
    shown = [str(counts.get(kind, 0)) if counts else "" for kind in types]
    rows = [["", summary["headline"], *types], [f"{summary['unit']}s", str(summary["coverage"]["answered"]), *shown]]
    body = [
        [row["label"], percent(row["accuracy"]), *(percent(row["by_type"].get(kind)) for kind in types)]
        for row in [*summary["models"], *map(_without_intervals, summary["baselines"])]
    ]
    return grid(rows + body, rule_after=(1, 1 + len(summary["models"])))


def _without_intervals(baseline: dict[str, Any]) -> dict[str, Any]:
    """A baseline is the same under every seed."""
    means = {kind: {**value, "half": None} for kind, value in baseline["by_type"].items()}
    return {**baseline, "accuracy": {**baseline["accuracy"], "half": None}, "by_type": means}


def _differences(summary: dict[str, Any], level: str) -> list[str]:
    lines = [f"paired differences, seed by seed, in points (± {level} interval)"]
    for row in summary["differences"]:
        if row["half"] is None:
            verdict = "no interval: one seed"
        else:
            verdict = "the interval excludes 0" if row["excludes_zero"] else "the interval includes 0: not established"
        lines.append(f"  {row['label']}:  {percent(row, sign=True)}   ({verdict})")
    return lines


def _cost(summary: dict[str, Any]) -> list[str]:
    timing, unit, models = summary["timing"], summary["unit"], summary["models"]
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("parameters", lambda row: f"{row['parameters']:,}"),
        (f"MFLOPs/{unit}", lambda row: f"{row['flops'] / 1e6:,.1f}"),
    ]
    if all("flops_of_video" in row for row in models):
        columns.append(("of these video", lambda row: f"{row['flops_of_video'] / 1e6:,.1f}"))
    if timing:
        columns += [(f"ms/{unit}", lambda row: f"{row['ms_alone']:.2f}"), ("ms in batch", lambda row: f"{row['ms_in_batch']:.2f}")]
    rows = [["", *(head for head, _ in columns)], *([row["label"], *(cell(row) for _, cell in columns)] for row in models)]
    note = "one multiply-add = 2 FLOPs"
    if summary["question_tokens"]:
        note += f"; a question of {summary['question_tokens']} tokens"
    if timing:
        how = f"{timing['device']}, {timing['threads']} thread, median of {timing['repeats']}, batch {timing['batch_size']}"
        note += f"; times were measured once, on the machine that made this ({how})"
    return [*grid(rows, rule_after=(0,)), note]


def _coverage(summary: dict[str, Any]) -> list[str]:
    coverage, language = summary["coverage"], summary["language"]
    lines = []
    if summary["unit"] != "video":
        lines.append(f"{summary['split']} {summary['unit']}s: {coverage['answered']} of {coverage['questions']} have a video")
    if coverage["lost"]:
        strict = ", ".join(f"{row['label']} {percent(row['strict'])}" for row in summary["models"])
        lines.append(f"strict (a lost {summary['unit']} is wrong): {strict}")
    if language:
        glove = language["glove"]
        lines.append(
            f"language: {language['question_tokens']} words, {glove['words_with_vector']} with a {glove['width']}-d vector; "
            f"{language['answer_classes']} answer classes"
        )
    lines += [
        f"{about['kind']} features: {about['backbone']}, weights {about['weights']}, {about['clips']} clips"
        for about in summary["features"]
    ]
    return lines


def percent(value: dict[str, Any] | None, *, sign: bool = False) -> str:
    """``61.2 ± 1.3`` of a mean and half width in fractions; ``–`` for nothing."""
    if value is None:
        return "–"
    mean = f"{100 * value['mean']:+.1f}" if sign else f"{100 * value['mean']:.1f}"
    return mean if value["half"] is None else f"{mean} ± {100 * value['half']:.1f}"


def grid(rows: Sequence[Sequence[str]], rule_after: Sequence[int] = ()) -> list[str]:
    """Align columns: the first to the left, the others to the right; a rule after the given rows."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        lines.append("  ".join(cells).rstrip())
        if number in rule_after:
            lines.append("─" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines
