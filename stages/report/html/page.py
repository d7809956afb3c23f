"""The page itself: its parts in order, the style sheet, the script, and the rule that nothing may be loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.evaluation.record import Evaluation, Sort
from stages.report import grids
from stages.report.html import pictures, provenance, sections
from stages.report.html.finished import Finished
from stages.report.html.gather import Asked
from stages.report.html.markup import Markup, element, script_json

HERE = Path(__file__).parent
#: The parts of the script, in the order in which they need one another.
SCRIPTS = ("elements", "plots", "items", "timeline", "confusion", "examples", "start")
#: How parts in time are drawn.
IN_TIME = "In a time line what is true is above; what a network found is filled where it is right, hollow where not, pale at low scores."


def page(
    summary: dict[str, Any],
    finished: Finished,
    evaluations: Sequence[Evaluation],
    curves: Sequence[Sequence[Any]],
    asked: Asked,
    stills: Mapping[str, str],
) -> str:
    """The whole of ``index.html``. ``stills``: names of pictures of items that are not ok."""
    rows = [*summary["networks"], *summary["baselines"]]
    marks = [provenance.marks(finished, row["name"]) for row in rows]
    parts = [
        sections.scores(summary, marks),
        sections.differences(summary),
        sections.seeds(summary),
        sections.costs(summary),
        _curves(summary, evaluations[0], curves),
        *(_items(summary, evaluations, asked) if len(asked) else [_no_items(finished)]),
        _ledgers(finished, stills),
        _provenance(summary, finished),
    ]
    shown = [part for part in parts if part is not None]
    style = (HERE / "style.css").read_text(encoding="utf-8")
    script = "\n".join((HERE / "script" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content="kdpipe report"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", grids.title(summary)),
        element("style", Markup(style)),
    )
    body = element(
        "body",
        element("a", "Skip to the scores", href="#scores", class_="skip"),
        sections.head(summary),
        _contents(shown),
        element("main", shown),
        element("footer", f"kdpipe, system {finished.system}; report ", element("code", finished.report.key)),
        element("script", Markup(script)),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def _policy(script: str) -> str:
    """What a browser may load: this script and the files beside the page, and nothing from elsewhere."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    beside = "'self' file:"
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src {beside}; script-src 'sha256-{digest}' {beside}; base-uri 'none'"


def _contents(parts: Sequence[Markup]) -> Markup:
    links = []
    for part in parts:
        id, title = part.split('id="', 1)[1].split('"', 1)[0], part.split("<h2>", 1)[1].split("</h2>", 1)[0]
        links.append(element("li", element("a", Markup(title), href=f"#{id}")))
    return element("nav", element("ul", links), aria_label="parts of this page")


def _curves(summary: dict[str, Any], first: Evaluation, curves: Sequence[Sequence[Any]]) -> Markup | None:
    drawn, rest = pictures.curves(first.panels, curves, summary)
    against = pictures.tradeoff(summary)
    if not drawn and not rest and not against:
        return None
    replicates = len(summary["replicates"])
    band = f"line and band: mean and {100 * summary['level']:g} % interval over {grids.replicates(summary)}"
    box = element("label", element("input", type="checkbox", class_="apart"), " each seed by itself")
    told = [f"{band}. ", box] if replicates > 1 else "one replicate"
    more = element("details", element("summary", "all else that was recorded"), element("div", rest, class_="plots")) if rest else None
    content = [
        element("p", told),
        element("div", against + drawn, class_="plots"),
        more,
    ]
    return element("section", element("h2", "Curves"), content, id="curves")


def _items(summary: dict[str, Any], evaluations: Sequence[Evaluation], asked: Asked) -> list[Markup]:
    first = evaluations[0]
    one, plural, told = _noun(evaluations, asked)
    facts = {
        "labels": {row["name"]: row["label"] for row in summary["networks"]},
        "sorts": [{"title": sort.title, "right": sort.right, "wrong": sort.wrong} for sort in offered(first)],
        "one": one,
        "plural": plural,
        "items": len(asked),
    }
    without = element("noscript", element("p", "The script of this page shows them; it is switched off."))
    confusion = element("section", element("h2", "Confusion"), without, element("div", id="matrix"), id="confusion")
    data = element("script", Markup(script_json(facts)), type="application/json", id="facts")
    notes = [element("p", note, class_="note") for note in (told, first.said_note, IN_TIME if asked.parts else "") if note]
    examples = element("section", element("h2", "Examples"), notes, without, data, element("div", id="browser"), id="examples")
    return [examples] if asked.parts else [confusion, examples]  # of an item with parts nothing single is said


def _noun(evaluations: Sequence[Evaluation], asked: Asked) -> tuple[str, str, str]:
    """What one of the items is called, what several are, and why: an item that each kind asks about by itself is a *case*."""
    items = {evaluation.fold: evaluation.items for evaluation in evaluations}
    first = evaluations[0].items
    if len(asked) <= sum(own.total for own in items.values()):
        return first.one, first.plural, ""
    return "case", "cases", f"A case is a {first.one} in one kind of test; there are {len(asked.kinds.texts)} kinds."


def offered(first: Evaluation) -> list[Sort]:
    """The sorts of items that a reader is offered: those of the system, else the networks that it compares, against one another."""
    if first.sorts:
        return list(first.sorts)
    labels = {row.name: row.label for row in first.networks}
    both = [pair for first_, second in first.pairs for pair in ((first_, second), (second, first_))]
    return [
        *(Sort(f"{labels[right]} right, {labels[wrong]} wrong", (right,), (wrong,)) for right, wrong in dict.fromkeys(both)),
        Sort("all wrong", wrong=tuple(labels)),
    ]


def _no_items(finished: Finished) -> Markup:
    text = f"The evaluation of {finished.system} keeps no answers by item."
    return element("section", element("h2", "Examples"), element("p", text), id="examples")


def _ledgers(finished: Finished, stills: Mapping[str, str]) -> Markup:
    found = provenance.ledgers(finished, stills) or [element("p", "Every item of every stage is ok.")]
    return element("section", element("h2", "What became of the data"), found, id="ledger")


def _provenance(summary: dict[str, Any], finished: Finished) -> Markup:
    networks = {row["name"]: row["label"] for row in summary["networks"]}
    asks = element("h3", "Which evaluations and networks a row is made of")
    every = element("h3", "Every result behind this page")
    content = [asks, provenance.origins(finished, networks), every, provenance.cards(finished)]
    return element("section", element("h2", "Where every number comes from"), content, id="provenance")
