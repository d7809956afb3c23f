"""What is said of a comparison, the same in a terminal and on a page: titles, cells, verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.compare.items import GAINED, LOST, OTHERWISE
from pipeline.text import line_text
from stages.report.grids import number, plain
from stages.report.replicates import Replicates

Comparison = dict[str, Any]

#: The kinds of changed items, in the order in which they are shown.
KINDS = {GAINED: "B right, A wrong", LOST: "A right, B wrong", OTHERWISE: "as right or wrong as before, but another answer"}
#: So many nodes of one difference are named.
NAMED = 4


def differing(comparison: Comparison) -> list[tuple[str, str]]:
    """(nodes, difference) of every difference of settings, code and files."""
    found = []
    for change in comparison["changes"]:
        nodes, more = change["nodes"][:NAMED], len(change["nodes"]) - NAMED
        found.append((", ".join(nodes) + (f" and {more} more" if more > 0 else ""), line_text(change["text"])))
    return found


def title(comparison: Comparison) -> str:
    """What the scores are, and over what."""
    what, columns = comparison["measured"], comparison["columns"]
    unit = columns[0]["unit"] if columns else ""
    told = f"{what['task']} on {what['dataset']}: {what['split']} {what['metric']}" + (f" in {unit}" if unit else "")
    return f"{told}; {replicates(comparison)}"


def replicates(comparison: Comparison) -> str:
    """The seeds and folds that both sides have."""
    there = comparison["replicates"]
    return str(
        Replicates(list(dict.fromkeys(one["seed"] for one in there)), list(dict.fromkeys(one["fold"] for one in there if one["fold"])))
    )


def intervals(comparison: Comparison) -> str:
    """What stands behind ± of the scores."""
    if len(comparison["replicates"]) < 2:
        return "no interval of the scores: one replicate"
    return f"± {100 * comparison['level']:g} % interval over replicates (Student's t); B − A replicate by replicate"


def score_rows(comparison: Comparison, network: dict[str, Any]) -> list[list[str]]:
    """Three rows of cells: A, B and B − A, by the columns of the comparison."""
    found = []
    for head, key, sign in (("A", "a", False), ("B", "b", False), ("B − A", "difference", True)):
        scores = [(network["scores"].get(column["name"]), column) for column in comparison["columns"]]
        found.append([head, *(number(None if score is None else score[key], column, sign=sign) for score, column in scores)])
    return found


def by_item(comparison: Comparison, network: dict[str, Any]) -> str:
    """The share of items that each has right and their difference with its interval, on a line."""
    items, points = network["items"], {"unit": "%", "digits": 1}
    alike = items["groups"] == items["items"]
    plural = comparison["measured"]["plural"]
    drawn = "bootstrap over " + ("them" if alike else f"their {items['groups']:,} videos")
    verdict = "excludes 0" if items["low"] > 0 or items["high"] < 0 else "includes 0: not established"
    return (
        f"{items['items']:,} {plural} that both were asked: right A {plain(items['a'], points)} %, B {plain(items['b'], points)} %, "
        f"B − A {plain(items['mean'], points, '+')} points, {100 * comparison['level']:g} % interval "
        f"[{plain(items['low'], points, '+')}, {plain(items['high'], points, '+')}] ({drawn}), which {verdict}"
    )


def tests(comparison: Comparison, network: dict[str, Any]) -> Iterator[list[str]]:
    """Of every replicate: its name, how many items both, only A, only B and neither has right, and the p of McNemar's test."""
    for place, counts in zip(comparison["replicates"], network["items"]["replicates"]):
        name = f"seed {place['seed']}" + (f", fold {place['fold']}" if place["fold"] else "")
        yield [name, *(f"{counts[key]:,}" for key in ("both", "only_a", "only_b", "neither")), p_text(counts["p"])]


def p_text(p: float) -> str:
    """A p as people write it."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def no_items(comparison: Comparison, network: dict[str, Any]) -> str:
    """Why there is nothing to say by item."""
    return f"{network['label']}: no {comparison['measured']['one']} has an answer of its own on both sides: only scores are compared"


def said(answers: Sequence[Any]) -> str:
    """What a network said of an item in all replicates: once if they agree."""
    told = [answer_text(answer) for answer in answers]
    return told[0] if len(set(told)) == 1 else " | ".join(told)


def answer_text(answer: Any) -> str:
    """An answer on a line; nothing said is a dash."""
    return "–" if answer is None else answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def about(row: dict[str, Any]) -> str:
    """What else is known of an item, its video left out, on a line."""
    told = [
        " ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in row["about"].items() if name != "video_id"
    ]
    return "; ".join(told)
