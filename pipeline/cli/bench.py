"""``kdpipe doctor --bench``: how fast this machine extracts features, by runtime and precision."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import Any

import click

from models.backbones.kinds import KINDS
from pipeline.cli.session import Session

#: What must be won before a runtime is recommended: less is noise.
WORTH = 1.1


def speeds_of(session: Session) -> Iterator[dict[str, Any]]:
    """For every node that extracts features: node, network, what its rows are, and each way to compute them, measured."""
    for node in session.graph.nodes.values():
        if node.stage.name != "extract" or not hasattr(node.params, "runtime"):
            continue  # imported features are not computed
        from models.inference.bench import measure
        from stages.extract.resize import rates

        device, entry = session.judge().device, node.params.network
        cores = min(session.options.workers * session.options.threads, os.cpu_count() or 1)
        size = node.params.image_size or entry.image_size
        found = measure(entry, device, cores if device == "cpu" else 2, size)
        yield {
            "node": node.name,
            "backbone": entry.name,
            "device": device,
            "rows": f"clips of {entry.frames}" if KINDS[entry.kind].clips else "frames",
            "lanes": cores if device == "cpu" else 2,
            "ways": [dataclasses.asdict(way) for way in found],
            "resize": rates(size),
        }


def say_speeds(speeds: Iterable[dict[str, Any]]) -> None:
    """A table a node, and what to type for the fastest way in full precision, and in each lower one."""
    for speed in speeds:
        ways = speed["ways"]
        plain = ways[0]["rate"]
        click.echo(f"\n{speed['node']}: {speed['backbone']} on {speed['device']}, {speed['lanes']} at once, {speed['rows']} a second")
        for way in ways:
            name = "as published" if way["runtime"] == "plain" else f"{way['runtime']} {way['precision']}"
            if way["refused"]:
                click.echo(f"  {name:22} cannot be used: {way['refused']}")
                continue
            off = "" if way["runtime"] == "plain" else f"  x{way['rate'] / plain:.2f}  off by {way['error']:.0e} of the largest feature"
            click.echo(f"  {name:22}{way['rate']:9.1f}{off}")
        resize = ", ".join(f"{method} {rate:.0f}" for method, rate in speed["resize"].items())
        click.echo(f"  resize, pictures a second and thread: {resize}")
        click.echo(f"  {advice(speed['node'], ways)}")
        for line in cheaper(speed["node"], ways):
            click.echo(f"  {line}")


def cheaper(node: str, ways: list[dict[str, Any]]) -> Iterator[str]:
    """For each lower precision that is faster than anything in full precision: what to type, how fast it is, and what it costs."""
    usable = [way for way in ways if not way["refused"] and way["runtime"] != "plain"]
    full = max(way["rate"] for way in usable if way["precision"] == "float32")
    for precision in dict.fromkeys(way["precision"] for way in usable if way["precision"] != "float32"):
        best = max((way for way in usable if way["precision"] == precision), key=lambda way: way["rate"])
        if best["rate"] >= WORTH * full:
            gain, off = best["rate"] / full, f"features off by {best['error']:.0e} of the largest one (docs/FEATURES.md, Less precision)"
            yield f"{gain:.1f} times as fast, {off}: --set {node}.runtime={best['runtime']} --set {node}.precision={precision}"


def advice(node: str, ways: list[dict[str, Any]]) -> str:
    """What to type: only full precision is recommended, since the rest is a matter of what the features are for."""
    full = {
        way["runtime"]: way["rate"] for way in ways if way["precision"] == "float32" and not way["refused"] and way["runtime"] != "plain"
    }
    best = max(full, key=lambda runtime: full[runtime])
    if full[best] < WORTH * full.get("eager", 0.0):
        return "runtime=eager, the default, is as fast as any in full precision"
    return f"fastest in full precision: --set {node}.runtime={best}"
