"""Where every number comes from: the results behind the report, and what became of their items."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cache.ledger import Entry
from stages.report.html.finished import Finished, Made
from stages.report.html.markup import Markup, element, isolated

#: So many items of a ledger are listed; the page says how to see all.
LISTED = 200
#: What is recorded beside the versions of packages.
MEMORY = "peak_rss_mb"


def anchor(made: Made) -> str:
    """The name of a result within the page."""
    return f"made-{made.key[:16]}"


def link(made: Made) -> Markup:
    """A node with the beginning of its key, leading to its card."""
    return element("a", made.node, " ", element("code", made.key[:12]), href=f"#{anchor(made)}")


def origins(finished: Finished, networks: Mapping[str, str]) -> Markup:
    """For every network, by its label: which evaluation measured it in each replicate, and which training made it."""
    return element("div", [_origin(finished, place, name, label) for place, (name, label) in enumerate(networks.items())])


def origin_anchor(place: int) -> str:
    """The name, within the page, of where the numbers of a network come from."""
    return f"from-{place}"


def marks(finished: Finished, name: str) -> list[Markup]:
    """What a reader has to know of a network beside its label: results that were accepted, weights that are random."""
    found: dict[str, str] = {}
    for evaluation in finished.evaluations().values():
        network = finished.network(evaluation, name)
        for made in [evaluation, *(finished.behind(network.node) if network else ())]:
            if made.accepted:
                found["accepted"] = f"{made.node} was not computed for this: {made.accepted}"
            if made.stale:
                found["old inputs"] = f"{made.node} was made from old results of {', '.join(made.stale)}"
            if untrained(made):
                found["random weights"] = f"the features of {made.node} come from an untrained network"
    return [element("span", word, class_="mark", title=why) for word, why in found.items()]


def untrained(made: Made) -> bool:
    """Whether a result holds features of a network that never learnt anything."""
    path = made.files / "features.json"
    return path.is_file() and bool(json.loads(path.read_text(encoding="utf-8")).get("random"))


def cards(finished: Finished) -> list[Markup]:
    """A card for every result, the report first."""
    return [_card(finished, made) for made in reversed(list(finished.made.values()))]


def ledgers(finished: Finished, stills: Mapping[str, str]) -> list[Markup]:
    """For every result that has items which are not ok: how many, and which, with the reasons; ``stills``: pictures of some, by item."""
    return [found for made in finished.made.values() if (found := _ledger(made, stills)) is not None]


def listed(finished: Finished) -> Iterator[str]:
    """The items that :func:`ledgers` lists, of one result after the other."""
    for made in finished.made.values():
        yield from (entry.id for entry in _bad(made.ledger().sorted())[:LISTED])


def _origin(finished: Finished, place: int, name: str, label: str) -> Markup:
    rows = []
    for evaluation in finished.evaluations().values():
        network = finished.network(evaluation, name)
        rows.append(element("li", link(evaluation), *([" reads ", link(network)] if network else [])))
    return element("details", element("summary", label), element("ul", rows), id=origin_anchor(place))


def _card(finished: Finished, made: Made) -> Markup:
    state = [element("span", "accepted", class_="mark")] if made.accepted else []
    state += [element("span", "random weights", class_="mark")] if untrained(made) else []
    summary = element("summary", made.node, " ", element("code", made.key[:12]), " ", state)
    facts = [_fact(name, value) for name, value in _facts(finished, made)]
    return element("details", summary, element("dl", facts), id=anchor(made), class_="card")


def _facts(finished: Finished, made: Made) -> Iterator[tuple[str, object]]:
    yield "key", element("code", made.key)
    yield "content", element("code", made.object)
    yield "made", f"{made.when}, in {made.seconds:.1f} s"
    if made.accepted:
        yield "accepted", f"not computed for this key, because: {made.accepted}"
    if made.stale:
        yield "old inputs", ", ".join(made.stale)
    if made.changed:
        yield "not the default", _settings(made.changed)
    rest = {name: value for name, value in made.settings.items() if name not in made.changed}
    if rest:
        yield "default", _folded(f"{len(rest)} settings", _settings(rest))
    reads = [element("li", alias, ": ", link(finished.made[node])) for alias, node in made.reads.items() if node in finished.made]
    if reads:
        yield "reads", element("ul", reads)
    if made.digests:
        yield "files", element("ul", [element("li", name, " ", element("code", digest)) for name, digest in made.digests.items()])
    code = [element("li", module, " ", element("code", digest[:16])) for module, digest in sorted(made.code.items())]
    yield "code", _folded(f"{len(code)} modules", element("ul", code))
    yield "versions", ", ".join(f"{name} {value}" for name, value in made.versions.items() if name != MEMORY) or "not recorded"


def _fact(name: str, value: object) -> Markup:
    return element("div", element("dt", name), element("dd", value))


def _folded(summary: str, content: Markup) -> Markup:
    return element("details", element("summary", summary), content)


def _settings(values: Mapping[str, Any]) -> Markup:
    told = [(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]
    return element("ul", [element("li", element("code", f"{name} = ", isolated(value))) for name, value in told])


def _bad(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.outcome != "ok"]


def _ledger(made: Made, stills: Mapping[str, str]) -> Markup | None:
    entries = made.ledger().sorted()
    bad = _bad(entries)
    if not bad:
        return None
    counts = Counter(entry.state for entry in bad)
    told = ", ".join(f"{count:,} {state}" for state, count in counts.most_common())
    shown = bad[:LISTED]
    pictures = any(entry.id in stills for entry in shown)
    rows = [
        element(
            "tr",
            element("th", isolated(entry.id), scope="row"),
            element("td", _still(stills.get(entry.id))) if pictures else None,
            element("td", entry.state),
            element("td", isolated(entry.reason)),
        )
        for entry in shown
    ]
    heads = ("item", *(["a frame"] if pictures else []), "state", "reason")
    head = element("tr", [element("th", name, scope="col") for name in heads])
    table = element("table", element("thead", head), element("tbody", rows), class_="text")
    more = len(bad) - LISTED
    note = [element("p", f"and {more:,} more: kdpipe show {made.node} --ledger")] if more > 0 else []
    summary = element("summary", f"{made.node}: {told}, of {len(entries):,}")
    return element("details", summary, element("div", table, class_="wide", tabindex=0, role="region", aria_label=made.node), note)


def _still(name: str | None) -> Markup | None:
    return element("img", src=f"previews/{name}", alt="a frame of it", loading="lazy") if name else None
