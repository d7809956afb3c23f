"""``kdpipe ls``: the results of a store, what they were made from, and a picture of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from pipeline.catalog import Artifact, Catalog
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, session_options
from pipeline.picture import dot, svg
from pipeline.provenance import of_graph, of_results
from pipeline.resolve import resolve
from pipeline.standing import standings
from pipeline.text import age_text, line_text, size_text


@click.command()
@click.argument("results", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every result of the store: old ones, and those of other datasets and systems.")
@click.option("--stage", default="", help="Only results of this stage.")
@click.option("--pins", "only_pins", is_flag=True, help="Only what is pinned.")
@click.option("--parents", default="", metavar="RESULT", help="What RESULT was made from.")
@click.option("--children", default="", metavar="RESULT", help="What was made from RESULT.")
@click.option("--tree", is_flag=True, help="Show under every result what it was made from.")
@click.option("--sort", type=click.Choice(["size", "age"]), help="Largest, or youngest, first.")
@click.option(
    "--graph", type=click.Choice(["dot", "svg"]), help="A picture: of the whole graph as it stands, or of what RESULTS were made from."
)
@session_options(*WHAT, *LOOK)
def ls(session: Session, results: tuple[str, ...], graph: str | None, tree: bool, sort: str | None, **choice: Any) -> None:
    """List the results that the current dataset and system use, and what is pinned; or RESULTS (nodes, pins, keys)."""
    draw = {"dot": dot, "svg": svg}
    if graph and not results:
        click.echo(draw[graph](of_graph(standings(session.look(), list(session.graph.nodes)))), nl=False)
        return
    catalog = Catalog.read(session.store)
    if graph or (tree and results):
        found = catalog.ancestors(_keys(session, results))
    else:
        found = _chosen(session, catalog, results, **choice)
    if graph:
        click.echo(draw[graph](of_results(found)), nl=False)
        return
    found = _sorted(session, found, sort)
    if session.json:
        click.echo(json.dumps([_row(artifact) for artifact in found], indent=1))
        return
    _print(session, catalog, found, tree)


def _keys(session: Session, texts: Iterable[str]) -> list[str]:
    """The keys that texts mean. Raises KdpipeError for a node that was never made."""
    judge = session.look()
    keys = []
    for text in texts:
        found = [one for one in resolve(judge, text) if one.record is not None]
        if not found:
            raise session.never_made(text)
        keys += [one.record.digest for one in found if one.record is not None]
    say_assumed(judge)
    return keys


def _chosen(
    session: Session,
    catalog: Catalog,
    results: tuple[str, ...],
    *,
    everything: bool,
    stage: str,
    only_pins: bool,
    parents: str,
    children: str,
) -> list[Artifact]:
    """The results that the options mean."""
    all_ = catalog.artifacts
    config = session.graph.config
    if results:
        keys = _keys(session, results)
    elif parents or children:
        keys = [key for base in _keys(session, [parents] if parents else []) if base in all_ for key in all_[base].parents]
        keys += [key for base in _keys(session, [children] if children else []) if base in all_ for key in all_[base].children]
    elif everything or only_pins:
        keys = list(all_)
    else:
        current = {artifact.key for artifact in catalog.current(config.dataset, config.system)}
        keys = [key for key, artifact in all_.items() if key in current or artifact.pins]
    chosen = [all_[key] for key in dict.fromkeys(keys) if key in all_]
    return [a for a in chosen if (not stage or a.stage == stage) and (not only_pins or a.pins)]


def _sorted(session: Session, found: list[Artifact], sort: str | None) -> list[Artifact]:
    """Largest or youngest first; else by dataset and system, in the order of the graph."""
    if sort == "size":
        return sorted(found, key=lambda a: (-a.size, a.key))
    if sort == "age":
        return sorted(found, key=lambda a: (a.age, a.key))
    order = {name: n for n, name in enumerate(session.graph.nodes)}
    return sorted(found, key=lambda a: (a.dataset, a.system, order.get(a.node, len(order)), a.node, a.age))


def _print(session: Session, catalog: Catalog, found: list[Artifact], tree: bool) -> None:
    for note in catalog.notes:
        click.echo(f"note: {note}", err=True)
    rows = _tree(found) if tree else [("", artifact, "") for artifact in found]
    name = max((len(indent) + len(line_text(a.node)) for indent, a, _ in rows), default=4)
    place = max((len(_place(a)) for _, a, _ in rows), default=4)
    if rows:
        click.echo(f"{'key':12}  {'node':{name}}  {'of':{place}}  {'size':>9}  {'age':>6}  {'from':>4}  {'used':>4}  state")
    for indent, a, remark in rows:
        age, size = (age_text(a.age), size_text(a.size)) if a.record is not None else ("?", "?")
        node = f"{indent}{line_text(a.node)}"
        counts = f"{len(a.parents):>4}  {len(a.children):>4}"
        click.echo(f"{a.key[:12]}  {node:{name}}  {_place(a):{place}}  {size:>9}  {age:>6}  {counts}  {_state(a)}{remark}")
    click.echo(_totals(catalog, found))
    if any(a.damage for a in found):
        click.echo("damaged records: kdpipe fsck --repair puts them aside")


def _totals(catalog: Catalog, found: list[Artifact]) -> str:
    every = list(catalog.artifacts.values())
    text = f"{len(found)} result{'' if len(found) == 1 else 's'}, {size_text(catalog.total(found))}"
    rest = len(every) - len({a.key for a in found})
    return text + (f"; {rest} more in the store, {size_text(catalog.total(every))} in all (--all)" if rest else "")


def _state(artifact: Artifact) -> str:
    pins = f" ({', '.join(map(line_text, artifact.pins))})" if artifact.pins else ""
    accepted = artifact.record.accepted.get("because", "") if artifact.record is not None else ""
    because = f": because {line_text(accepted)}" if accepted else ""
    words = {"pinned": f"pinned{pins}", "accepted": f"accepted{because}"}
    return ", ".join(words.get(state, state) for state in artifact.states)


def _place(artifact: Artifact) -> str:
    return line_text(f"{artifact.dataset or '?'}/{artifact.system or '?'}")


def _tree(found: list[Artifact]) -> list[tuple[str, Artifact, str]]:
    """Indent, result, remark: final results, under each what it was made from; what was listed already is not opened again."""
    known = {artifact.key: artifact for artifact in found}
    rows: list[tuple[str, Artifact, str]] = []
    shown: set[str] = set()
    stack = [(0, a) for a in reversed(found) if not any(child in known for child in a.children)]
    while stack:
        depth, artifact = stack.pop()
        again = artifact.key in shown
        rows.append(("  " * depth, artifact, " (see above)" if again and artifact.parents else ""))
        if not again:
            shown.add(artifact.key)
            stack += [(depth + 1, known[parent]) for parent in reversed(artifact.parents) if parent in known]
    return rows


def _row(artifact: Artifact) -> dict[str, Any]:
    record = artifact.record
    return {
        "key": artifact.key,
        "node": artifact.node,
        "stage": artifact.stage,
        "dataset": artifact.dataset,
        "system": artifact.system,
        "object": record.object if record is not None else "",
        "size": artifact.size,
        "created": record.created if record is not None else 0.0,
        "seconds": record.seconds if record is not None else 0.0,
        "states": list(artifact.states),
        "accepted": record.accepted if record is not None else {},
        "stale_inputs": list(record.stale_inputs) if record is not None else [],
        "pins": list(artifact.pins),
        "used_by": [f"{use.dataset}/{use.system}/{use.node}" for use in artifact.uses],
        "parents": list(artifact.parents),
        "children": list(artifact.children),
        "damage": artifact.damage,
    }
