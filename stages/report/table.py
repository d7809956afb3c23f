"""The report as text: what ``kdpipe report`` prints."""

from __future__ import annotations

from collections.abc import Sequence
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
    rows = [["", "all", *types], ["questions", str(summary["coverage"]["answered"]), *(str(counts.get(kind, 0)) for kind in types)]]
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
    timing = summary["timing"]
    head = ["", "parameters", "MFLOPs/question", "of these video"]
    rows = [head + (["ms/question", "ms in batch"] if timing else [])]
    for row in summary["models"]:
        cells = [row["label"], f"{row['parameters']:,}", f"{row['flops'] / 1e6:,.1f}", f"{row['flops_of_video'] / 1e6:,.1f}"]
        if timing:
            cells += [f"{row['ms_alone']:.2f}", f"{row['ms_in_batch']:.2f}"]
        rows.append(cells)
    lines = grid(rows, rule_after=(0,))
    note = f"one multiply-add = 2 FLOPs; a question of {summary['question_tokens']} tokens"
    if timing:
        how = f"{timing['device']}, {timing['threads']} thread, median of {timing['repeats']}, batch {timing['batch_size']}"
        note += f"; times were measured once, on the machine that made this ({how})"
    return [*lines, note]


def _coverage(summary: dict[str, Any]) -> list[str]:
    coverage, language = summary["coverage"], summary["language"]
    lines = [f"{summary['split']} questions: {coverage['answered']} of {coverage['questions']} have a video"]
    if coverage["lost"]:
        strict = ", ".join(f"{row['label']} {percent(row['strict'])}" for row in summary["models"])
        lines.append(f"strict (a lost question is wrong): {strict}")
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
