"""A picture of lines over one axis, as SVG with its numbers beside it: the script of the page shows those under the pointer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.report.html.axes import Axis, tick_text
from stages.report.html.markup import Markup, element, script_json

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 34
#: How many colours the style sheet knows.
COLOURS = 6


@dataclass(frozen=True)
class Line:
    """A line by its points: mean, half width of the interval (None where there is none) and what each replicate has (N × R)."""

    label: str
    colour: int
    x: Sequence[float]
    y: Sequence[float]
    half: Sequence[float | None]
    each: Sequence[Sequence[float]] = ()


def figure(
    title: str, x_title: str, lines: Sequence[Line], names: Sequence[str], *, logarithmic: bool = False, dots: bool = False
) -> Markup:
    """A picture with its title and a legend that covers no line. ``names`` are those of the replicates; ``dots`` marks the points."""
    x = Axis.over([value for line in lines for value in line.x])
    y = Axis.over(_extent(lines), logarithmic=logarithmic, margin=0.04)
    drawn = [*_frame(x, y, x_title), *(piece for line in lines for piece in _line(line, x, y, dots))]
    numbers = {
        "x": x_title,
        "names": list(names),
        "lines": [{"x": list(line.x), "y": list(line.y), "half": list(line.half), "each": [list(e) for e in line.each]} for line in lines],
        "low": x.low,
        "high": x.high,
        "area": [LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM],
    }
    svg = element(
        "svg",
        *drawn,
        element("line", class_="here", x1=0, x2=0, y1=TOP, y2=HEIGHT - BOTTOM),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{title}, over {x_title}. Arrow keys show its numbers.",
        tabindex=0,
    )
    legend = [
        element("li", element("span", class_=f"swatch k{line.colour % COLOURS}"), line.label, " ", element("output")) for line in lines
    ]
    data = element("script", Markup(script_json(numbers)), type="application/json")
    parts = (element("figcaption", title), svg, element("p", "\u00a0", class_="at"), element("ul", *legend, class_="legend"), data)
    return element("figure", *parts, class_="plot")


def _extent(lines: Sequence[Line]) -> list[float]:
    """What the picture has room for: all points and replicates, and bands as far as they are no wider than these together."""
    points = [value for line in lines for values in (line.y, *line.each) for value in values]
    room = max(points) - min(points) or abs(max(points)) or 1.0
    ends = [value + side * (half or 0.0) for line in lines for value, half in zip(line.y, line.half) for side in (-1, 1)]
    floor = min(points)
    return [*points, *(min(max(end, floor), max(points) + room) for end in ends)]


def _frame(x: Axis, y: Axis, x_title: str) -> Iterator[Markup]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in y.ticks():
        at = _round(_down(y.place(value)))
        yield element("line", class_="grid", x1=LEFT, x2=right, y1=at, y2=at)
        yield element("text", tick_text(value), x=LEFT - 6, y=at + 4, text_anchor="end")
    for value in x.ticks(whole=x_title == "epoch"):
        at = _round(_across(x.place(value)))
        yield element("line", class_="grid", x1=at, x2=at, y1=TOP, y2=bottom)
        yield element("text", tick_text(value), x=at, y=bottom + 15, text_anchor="middle")
    yield element("text", x_title, x=(LEFT + right) / 2, y=HEIGHT - 3, text_anchor="middle")


def _line(line: Line, x: Axis, y: Axis, dots: bool) -> Iterator[Markup]:
    places = [_round(_across(x.place(value))) for value in line.x]
    shown = [n for n, value in enumerate(line.y) if value > 0 or not y.logarithmic]
    if any(line.half[n] is not None for n in shown):
        low = [max(line.y[n] - (line.half[n] or 0), min(line.each[n])) if line.each else line.y[n] - (line.half[n] or 0) for n in shown]
        high = [line.y[n] + (line.half[n] or 0) for n in shown]
        edge = [*zip([places[n] for n in shown], high), *reversed(list(zip([places[n] for n in shown], low)))]
        yield element("path", class_=f"band k{line.colour % COLOURS}", d=f"M{_points(edge, y)}Z")
    for replicate in range(len(line.each[0]) if line.each else 0):
        values = [(place, each[replicate]) for place, each in zip(places, line.each) if each[replicate] > 0 or not y.logarithmic]
        if len(values) > 1:
            yield element("path", class_=f"one k{line.colour % COLOURS}", d=f"M{_points(values, y)}")
    middle = [(places[n], line.y[n]) for n in shown]
    if middle:
        yield element("path", class_=f"mean k{line.colour % COLOURS}", d=f"M{_points(middle, y)}")
    for place, value in middle if dots or len(middle) == 1 else ():
        yield element("circle", class_=f"k{line.colour % COLOURS}", cx=place, cy=_round(_down(y.place(value))), r=3.5)


def _points(values: Sequence[tuple[float, float]], y: Axis) -> str:
    return "L".join(f"{place} {_round(_down(y.place(value)))}" for place, value in values)


def _across(part: float) -> float:
    return LEFT + part * (WIDTH - LEFT - RIGHT)


def _down(part: float) -> float:
    return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)


def _round(value: float) -> float:
    return round(value, 1)
