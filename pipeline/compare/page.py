"""A comparison as one page, ``index.html``: no script, nothing loaded from elsewhere, the look of a report's page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cache.errors import KdpipeError
from pipeline.compare import words
from pipeline.compare.lines import TEST_HEADS
from pipeline.compare.words import Comparison
from stages.report import html
from stages.report.html.markup import Markup, element, isolated
from stages.report.html.sections import table

#: What the page says of itself; a page that says so may be written over.
OURS = "kdpipe compare"
#: What a browser may load: nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"


def write(folder: Path, comparison: Comparison) -> Path:
    """Write the page into ``folder``, in place of an older one, and return its path. Raises KdpipeError if another page is there."""
    path = folder / "index.html"
    if path.is_symlink() or (path.exists() and f'content="{OURS}"' not in path.read_text(encoding="utf-8", errors="replace")[:2000]):
        raise KdpipeError(f"{path} is no page of a comparison", hint="name a new folder, or one that holds such a page")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(page(comparison), encoding="utf-8", errors="xmlcharrefreplace", newline="\n")
    return path


def page(comparison: Comparison) -> str:
    """The whole of ``index.html``."""
    style = (Path(html.__path__[0]) / "style.css").read_text(encoding="utf-8")
    name = f"{comparison['a']['name']} against {comparison['b']['name']}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=OURS),
        element("meta", name="color-scheme", content="light dark"),
        element("title", name),
        element("style", Markup(style + "table.text th { text-align: left; }\n")),
    )
    notes = [element("li", note) for note in comparison["notes"]]
    flags = element("ul", notes, class_="flags", role="note", aria_label="what to know before believing a number") if notes else None
    body = [element("header", element("h1", name), [_side(comparison, which) for which in ("a", "b")], flags)]
    body.append(element("main", _differing(comparison), *(_measured(comparison) if comparison["measured"] else ())))
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{element("body", body)}\n</html>\n'


def _side(comparison: Comparison, which: str) -> Markup:
    side = comparison[which]
    keys = [piece for one in side["results"] for piece in (" ", one["node"], " ", element("code", one["key"][:12]))]
    return element("p", element("strong", which.upper()), " ", side["name"], ":", keys)


def _differing(comparison: Comparison) -> Markup:
    rows = [element("tr", element("th", nodes, scope="row"), element("td", text)) for nodes, text in words.differing(comparison)]
    shown = (
        _text_table(["result", "difference"], rows, "differences") if rows else element("p", "Nothing: the same settings, code and files.")
    )
    return _section("differs", "What differs", shown)


def _measured(comparison: Comparison) -> Iterator[Markup]:
    rows: list[Markup] = []
    for network in comparison["networks"]:
        for place, cells in enumerate(words.score_rows(comparison, network)):
            label = network["label"] if place == 0 else ""
            row_class = "first" if place == 0 and rows else None
            rows.append(element("tr", element("th", label, scope="row"), [element("td", cell) for cell in cells], class_=row_class))
    heads = [["network", "", *(column["name"] for column in comparison["columns"])]]
    same = ", ".join(comparison["same"])
    told = [element("p", words.title(comparison)), element("p", words.intervals(comparison))]
    shown = table(heads, rows, "scores") if rows else None
    yield _section("scores", "Scores", told, shown, element("p", f"The same network on both sides: {same}") if same else None)
    for number, network in enumerate(comparison["networks"]):
        yield _section(f"items{number}", network["label"], *_items(comparison, network))


def _items(comparison: Comparison, network: dict[str, Any]) -> Iterator[Markup]:
    items = network["items"]
    if items is None:
        yield element("p", words.no_items(comparison, network))
        return
    yield element("p", words.by_item(comparison, network))
    if items["other_truth"]:
        yield element("p", f"{items['other_truth']:,} left out: their true answers differ")
    tests = words.tests(comparison, network)
    rows = [element("tr", element("th", cells[0], scope="row"), [element("td", cell) for cell in cells[1:]]) for cells in tests]
    yield table([TEST_HEADS], rows, f"right and wrong of {network['label']}")
    for place, (kind, head) in enumerate(words.KINDS.items()):
        changed = items["changed"][kind]
        count = f"{head}: {changed['count']:,}"
        if not changed["shown"]:
            yield element("p", count)
            continue
        shown = f", of which {len(changed['shown']):,} are shown" if changed["count"] > len(changed["shown"]) else ""
        rows = [_item(row) for row in changed["shown"]]
        inner = _text_table([comparison["measured"]["one"], "true", "A", "B", "right A, B", "about"], rows, head)
        yield element("details", element("summary", count, shown), inner, open=place < 2)


def _item(row: dict[str, Any]) -> Markup:
    right = f"{row['right_a']}, {row['right_b']} of {len(row['a'])}"
    told = [words.answer_text(row["answer"]), words.said(row["a"]), words.said(row["b"]), right, words.about(row)]
    return element("tr", element("th", isolated(row["item"]), scope="row"), [element("td", isolated(cell)) for cell in told])


def _text_table(heads: Sequence[str], rows: Sequence[Markup], name: str) -> Markup:
    """A table of texts, which begin at the left."""
    return Markup(table([list(heads)], rows, name).replace("<table>", '<table class="text">', 1))


def _section(id: str, title: str, *content: object) -> Markup:
    return element("section", element("h2", title), *content, id=id)
