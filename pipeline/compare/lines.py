"""A comparison as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.compare import words
from pipeline.compare.words import Comparison
from pipeline.text import line_text

#: The heads of the table of McNemar's test.
TEST_HEADS = ["", "both right", "only A", "only B", "neither", "McNemar p"]
#: An item is shown on so many characters of what is known of it.
LONGEST = 60


def lines(comparison: Comparison) -> Iterator[str]:
    """All of it, for people."""
    for which in ("a", "b"):
        side = comparison[which]
        keys = ", ".join(f"{result['node']} {result['key'][:12]}" for result in side["results"])
        yield f"{which.upper()}  {line_text(side['name'])}: {keys}"
    yield from (f"note: {line_text(note)}" for note in comparison["notes"])
    yield ""
    yield "what differs"
    found = words.differing(comparison)
    yield from (f"  {nodes}: {text}" for nodes, text in found) if found else ("  nothing: the same settings, code and files",)
    if comparison["measured"] is None:
        return
    yield from ("", words.title(comparison), words.intervals(comparison), "")
    yield from _scores(comparison)
    for network in comparison["networks"]:
        yield ""
        yield from _items(comparison, network)


def _scores(comparison: Comparison) -> Iterator[str]:
    rows = [["", "", *(column["name"] for column in comparison["columns"])]]
    for network in comparison["networks"]:
        label = network["label"]
        for cells in words.score_rows(comparison, network):
            rows.append([label, *cells])
            label = ""
    yield from _table(rows, left=2) if comparison["networks"] else ()
    if comparison["same"]:
        yield f"the same network on both sides: {', '.join(map(line_text, comparison['same']))}"


def _items(comparison: Comparison, network: dict[str, Any]) -> Iterator[str]:
    items = network["items"]
    if items is None:
        yield line_text(words.no_items(comparison, network))
        return
    yield f"{line_text(network['label'])}: {words.by_item(comparison, network)}"
    if items["other_truth"]:
        yield f"  {items['other_truth']:,} left out: their true answers differ"
    yield from (f"  {line}" for line in _table([TEST_HEADS, *words.tests(comparison, network)], left=1))
    for kind, head in words.KINDS.items():
        changed = items["changed"][kind]
        yield f"  {head}: {changed['count']:,}"
        yield from (f"  {line}" for line in _shown(comparison, changed["shown"]))
        if changed["shown"] and changed["count"] > len(changed["shown"]):
            yield f"    … and {changed['count'] - len(changed['shown']):,} more (--limit)"


def _shown(comparison: Comparison, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    several = len(comparison["replicates"]) > 1
    cells = []
    for row in rows:
        known = line_text(words.about(row))
        counts = f"right A {row['right_a']}, B {row['right_b']} of {len(row['a'])}" if several else ""
        told = [f"true {words.answer_text(row['answer'])}", f"A {words.said(row['a'])}", f"B {words.said(row['b'])}"]
        cells.append([row["item"], *map(line_text, told), counts, known[:LONGEST] + ("…" if known[LONGEST:] else "")])
    yield from (f"  {line}" for line in _table(cells, left=6))


def _table(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Cells in columns; the first ``left`` begin at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(f"{cell:{'<' if place < left else '>'}{width}}" for place, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]
