"""A picture of what was made from what: DOT for other programs, or an SVG that needs none.

The arrangement is layered: a node stands one layer below the lowest of its parents, an edge that skips layers goes through a gap in each
of them, and the order within a layer follows the means of the neighbours' places (barycentres).
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.text import line_text

#: Status -> colour of a box; dark text on all of them is readable, on a light page and on a dark one.
COLOURS = {
    "fresh": "#b7e4c7", "current": "#b7e4c7", "running": "#a9d6f5", "pinned": "#a9d6f5", "stale": "#ffe08a", "waits": "#ffefc2",
    "accepted": "#e3c8f2", "missing": "#e6e6e6", "old": "#e6e6e6", "failed": "#f7b2ad", "damaged": "#f7b2ad", "object gone": "#f7b2ad",
}  # fmt: skip
OTHER = "#e6e6e6"
LINE = "#808080"

CHARACTER, TALL, PADDING, GAP_X, GAP_Y, LANE, MARGIN = 7.3, 16, 10, 24, 46, 18, 16
ROUNDS = 8


@dataclass(frozen=True)
class Box:
    """A node of the picture: its id, what stands in it line by line, and the status that colours it."""

    id: str
    lines: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class Picture:
    """Boxes, and edges (parent's id, child's id) between them."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """Where a box is, in pixels: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float


def dot(picture: Picture) -> str:
    """The picture as a graph of Graphviz."""
    lines = ["digraph kdpipe {", "  rankdir=TB;", '  node [shape=box, style="rounded,filled", fontname="monospace", fontcolor="#202020"];']
    for box in picture.boxes:
        label = "\\n".join(_dot_text(line) for line in box.lines)
        lines.append(f'  "{_dot_text(box.id)}" [label="{label}", fillcolor="{_colour(box)}", tooltip="{_dot_text(box.status)}"];')
    lines += [f'  "{_dot_text(parent)}" -> "{_dot_text(child)}";' for parent, child in picture.edges]
    return "\n".join([*lines, "}"]) + "\n"


def svg(picture: Picture) -> str:
    """The picture as a page of SVG: no script, no font and no style from elsewhere."""
    places, bends = arranged(picture)
    width = max((p.x + p.width for p in places.values()), default=0.0) + MARGIN
    width = max([width, *(x + MARGIN for points in bends.values() for x, _ in points)])
    height = max((p.y + p.height for p in places.values()), default=0.0) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        'font-family="ui-monospace, monospace" font-size="12">',
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
    ]
    for (parent, child), points in bends.items():
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        title = f"<title>{_xml(parent)} → {_xml(child)}</title>"
        lines.append(
            f'<path class="edge" data-parent="{_xml(parent)}" data-child="{_xml(child)}" d="{path}" fill="none" stroke="{LINE}" '
            f'stroke-width="1.3" marker-end="url(#tip)">{title}</path>'
        )
    lines += [_svg_box(box, places[box.id]) for box in picture.boxes]
    return "\n".join([*lines, "</svg>"]) + "\n"


def arranged(picture: Picture) -> tuple[dict[str, Place], dict[tuple[str, str], list[tuple[float, float]]]]:
    """Places of the boxes, and the points through which every edge goes."""
    boxes = {box.id: box for box in picture.boxes}
    edges = [edge for edge in dict.fromkeys(picture.edges) if edge[0] in boxes and edge[1] in boxes and edge[0] != edge[1]]
    depth = _depths(list(boxes), edges)
    chains = {edge: _chain(edge, depth) for edge in edges}
    layers = _ordered(depth, chains, list(boxes))
    height = max((len(box.lines) for box in picture.boxes), default=0) * TALL + PADDING
    widths = {id: max((len(line_text(line)) for line in box.lines), default=0) * CHARACTER + 2 * PADDING for id, box in boxes.items()}
    spans = [sum(widths.get(id, LANE) for id in layer) + GAP_X * (len(layer) - 1) for layer in layers]
    middle: dict[str, tuple[float, float]] = {}
    places: dict[str, Place] = {}
    for level, layer in enumerate(layers):
        x = MARGIN + (max(spans) - spans[level]) / 2
        y = MARGIN + level * (height + GAP_Y)
        for id in layer:
            wide = widths.get(id, LANE)
            middle[id] = x + wide / 2, y
            if id in boxes:
                places[id] = Place(x, y, wide, height)
            x += wide + GAP_X
    return places, {edge: _points(chain, middle, height) for edge, chain in chains.items()}


def _points(chain: list[str], middle: Mapping[str, tuple[float, float]], height: float) -> list[tuple[float, float]]:
    """From the lower side of the parent through the lanes to the upper side of the child."""
    points = [(middle[chain[0]][0], middle[chain[0]][1] + height)]
    for lane in chain[1:-1]:
        x, y = middle[lane]
        points += [(x, y), (x, y + height)]
    return [*points, middle[chain[-1]]]


def _depths(ids: list[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Longest path from a node without parents. Edges that close a circle (there should be none) are not followed."""
    parents: dict[str, list[str]] = {id: [] for id in ids}
    for parent, child in edges:
        parents[child].append(parent)
    depth: dict[str, int] = {}

    def of(id: str, below: tuple[str, ...] = ()) -> int:
        if id not in depth:
            depth[id] = max((1 + of(p, (*below, id)) for p in parents[id] if p not in below), default=0)
        return depth[id]

    return {id: of(id) for id in ids}


def _chain(edge: tuple[str, str], depth: Mapping[str, int]) -> list[str]:
    """The edge with a lane (an id that no box has) in every layer that it skips; the edges of one parent share its lanes."""
    parent, child = edge
    return [parent, *(f"\0{level}\0{parent}" for level in range(depth[parent] + 1, depth[child])), child]


def _ordered(depth: Mapping[str, int], chains: Mapping[tuple[str, str], list[str]], ids: list[str]) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for id in ids:
        layers[depth[id]].append(id)
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for (parent, _), chain in chains.items():
        for n, lane in enumerate(chain[1:-1], 1):
            if lane not in above:
                layers[depth[parent] + n].append(lane)
            above.setdefault(lane, [])
        for a, b in itertools.pairwise(chain):
            above.setdefault(b, []).append(a)
            below.setdefault(a, []).append(b)
    for turn in range(ROUNDS):
        neighbours = above if turn % 2 == 0 else below
        rank = {id: n / max(1, len(layer)) for layer in layers for n, id in enumerate(layer)}
        for layer in layers if turn % 2 == 0 else reversed(layers):
            near = {id: neighbours.get(id, [id]) for id in layer}
            mean = {id: sum(rank[other] for other in others) / len(others) for id, others in near.items()}
            layer.sort(key=mean.__getitem__)
            rank.update({id: n / max(1, len(layer)) for n, id in enumerate(layer)})
    return layers


def _svg_box(box: Box, place: Place) -> str:
    middle = place.x + place.width / 2
    rows = []
    for n, line in enumerate(box.lines):
        weight = ' font-weight="bold"' if n == 0 else ""
        rows.append(
            f'<text x="{middle:.1f}" y="{place.y + PADDING / 2 + (n + 0.75) * TALL:.1f}" text-anchor="middle"{weight}>{_xml(line)}</text>'
        )
    return (
        f'<g class="box" data-id="{_xml(box.id)}" data-status="{_xml(box.status)}" fill="#202020"><title>{_xml(box.status)}</title>'
        f'<rect x="{place.x:.1f}" y="{place.y:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" rx="5" fill="{_colour(box)}" '
        f'stroke="{LINE}"/>{"".join(rows)}</g>'
    )


def _colour(box: Box) -> str:
    return COLOURS.get(box.status, OTHER)


def _xml(text: str) -> str:
    return html.escape(line_text(text), quote=True)


def _dot_text(text: str) -> str:
    return line_text(text).replace("\\", "\\\\").replace('"', '\\"')
