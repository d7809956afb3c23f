"""``kdpipe params``: every parameter of a stage, from its declaration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import click

from cache.errors import ConfigError, nearest
from cache.stage import Node, Stage
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, session_options
from pipeline.declared import declared
from pipeline.parameters import Parameter, parameters, written


@click.command()
@click.argument("stage", required=False, default="")
@session_options(*WHAT, *LOOK)
def params(session: Session, stage: str) -> None:
    """List every parameter of STAGE (or a node): default, meaning, values that it can have, when it counts, and what it is now.

    Without STAGE: which stages there are.
    """
    config = session.graph.config
    groups = _groups(session, stage)
    if session.json:
        click.echo(json.dumps([row for one, nodes in groups for row in _rows(session, one, nodes)], ensure_ascii=False))
        return
    for number, (one, nodes) in enumerate(groups):
        sections = sorted({config.section(node.name) for node in nodes})
        if not stage:
            click.echo(f"{one.name:12} {len(dataclasses.fields(one.params)):3} parameters   {', '.join(sections)}")
            continue
        click.echo("\n".join([*([""] if number else []), *_head(one, sections), *_lines(parameters(one.params, nodes, config))]))


def _groups(session: Session, target: str) -> list[tuple[Stage, list[Node]]]:
    """The stages that a word means, each with its nodes in the graph; all of the graph for no word. Raises ConfigError if there is none."""
    nodes = session.graph.nodes
    try:
        names = session.graph.select(target) if target else list(nodes)
    except ConfigError:
        shared = declared("stages").get(target)
        if shared is None:
            known = {node.stage.name for node in nodes.values()} | declared("stages").keys()
            raise ConfigError(f"'{target}' is no stage of {session.graph.config.system}", hint=nearest(target, known)) from None
        return [(shared, [])]
    found: dict[tuple[str, type], tuple[Stage, list[Node]]] = {}
    for name in names:
        node = nodes[name]
        found.setdefault((node.stage.name, node.stage.params), (node.stage, []))[1].append(node)
    return list(found.values())


def _head(stage: Stage, sections: list[str]) -> Iterator[str]:
    wider = getattr(stage.params, "falls_back_to", "")
    where = ", ".join(sections) or "no node of this system"
    yield f"{stage.name}: {where}"
    example = sections[0] if len(sections) == 1 else stage.name
    yield f"  --set {example}.NAME=VALUE" + (f"; {wider}.NAME=VALUE holds here and in others" if wider else "")


def _lines(found: list[Parameter]) -> Iterator[str]:
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        yield f"\n  {one.name:{width}}  {written(one.default)}{_now(one)}"
        values = ", ".join(map(written, one.choices)) if one.choices else f"{one.kind}{', ' if one.bounds else ''}{one.bounds}"
        yield from (f"  {'':{width}}  {text}" for text in (one.meaning, values, *one.counts, *_facts(one)) if text)


def _now(one: Parameter) -> str:
    """What it is under the present settings, where that is not the default."""
    other = {section: value for section, value in one.now.items() if value != one.default}
    if not other:
        return ""
    values = set(map(written, other.values()))
    if len(values) == 1 and len(other) == len(one.now):
        return f"   (now {values.pop()})"
    return f"   (now {', '.join(f'{written(value)} in {section}' for section, value in other.items())})"


def _facts(one: Parameter) -> Iterator[str]:
    if one.decided:
        yield f"decided by the graph in {', '.join(one.decided)}"
    if not one.keyed:
        yield "changes no result: whatever it is, nothing runs again"


def _rows(session: Session, stage: Stage, nodes: list[Node]) -> Iterator[dict[str, Any]]:
    for one in parameters(stage.params, nodes, session.graph.config):
        yield {"stage": stage.name, **dataclasses.asdict(one)}
