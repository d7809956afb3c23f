"""``kdpipe weights``: which published weights there are and where they lie, what a file holds, and its import into the store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cache.errors import ConfigError, DataError, some
from cache.store import Store
from pipeline import imports, paths
from pipeline.cli.options import LOOK
from pipeline.cli.session import Session, session_options
from pipeline.text import line_text, size_text

#: Names of entries that are shown before "and n more".
SHOWN = 3


@click.group()
def weights() -> None:
    """List, check and import published weights. Nothing is downloaded: fetch a file, check it, import it or name its path."""


# -- ls ---------------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """Published weights, or a file that is none of them: what it is, and every place where it lies (``[where, path]``)."""

    name: str
    backbone: str
    file: str
    licence: str
    source: str
    sha256: str
    size: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)

    @property
    def short(self) -> str:
        """The name to use beside that of the backbone."""
        return self.name.removeprefix(f"{self.backbone}.")

    @property
    def where(self) -> str:
        """The places, in words."""
        return ", ".join(w if w == "shipped" else f"{w} ({p})" for w, p in self.places) or "-"

    def add(self, where: str, path: Path) -> None:
        """Note a place; the size of a file that is there is better than the published one."""
        there = path.is_file()
        self.places.append((where if there else f"{where}: not there", str(path)))
        if there:
            self.size = path.stat().st_size


@weights.command("ls")
@click.option("--backbone", default="", help="Only weights of this backbone.")
@click.option("--present", is_flag=True, help="Only what is here.")
@session_options("dataset", "system", "settings", *LOOK)
def list_weights(session: Session, backbone: str, present: bool) -> None:
    """List published weights, and where they are: shipped, configured as weights_file, or imported."""
    from models.backbones.registry import find
    from models.published import of_network

    if backbone and not of_network(backbone):
        find(backbone)
    rows = [row for row in _rows(session) if (not backbone or row.backbone == backbone) and (not present or row.places)]
    if session.json:
        click.echo(json.dumps([{**vars(row), "places": [{"where": w, "path": p} for w, p in row.places]} for row in rows], indent=1))
        return
    columns = ("backbone", "weights", "file", "licence")
    cells = [[row.backbone, row.short, row.file, row.licence.partition(";")[0].partition(" (")[0]] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *cells, strict=True)]
    for row, line in zip([None, *rows], [columns, *cells], strict=True):
        told = "  ".join(f"{line_text(cell):{width}}" for cell, width in zip(line, widths, strict=True))
        size = "size" if row is None else size_text(row.size) if row.size else "?"
        click.echo(f"{told}  {size:>8}  {'where' if row is None else line_text(row.where)}")
    click.echo(f"{len(rows)} weights, {sum(bool(row.places) for row in rows)} here; kdpipe weights ls --json says where each comes from")


def _rows(session: Session) -> list[Row]:
    """Every published set of weights, then the files that are none of them."""
    from models.published import WEIGHTS

    rows = {name: Row(name, w.backbone, w.file, w.licence, w.source, w.sha256, round(w.megabytes * 2**20)) for name, w in WEIGHTS.items()}
    for name, entry in WEIGHTS.items():
        if entry.shipped:
            rows[name].add("shipped", entry.path)
    others: dict[Path, Row] = {}
    for where, path, backbone, known in (*_imported(session.store), *_configured(session)):
        own = Row(path.stem, backbone, path.name, "?", "", "")
        row = rows[known] if known in rows else others.setdefault(path.resolve(), own)
        row.add(where, path)
    return [*rows.values(), *others.values()]


def _configured(session: Session) -> Iterator[tuple[str, Path, str, str]]:
    """(where, path, backbone, published weights or "") of every weights_file of the configuration."""
    from models.published import WEIGHTS

    for node in session.graph.nodes.values():
        value = getattr(node.params, "weights_file", "")
        if not value:
            continue
        path, backbone = paths.expanded(value), node.params.network.name
        known = f"{backbone}.{node.params.named_weights}"
        if known not in WEIGHTS:
            known = next((w.name for w in WEIGHTS.values() if w.file == path.name and w.backbone == backbone), "")
        yield f"{node.name}.weights_file", path, backbone, known


def _imported(store: Store) -> Iterator[tuple[str, Path, str, str]]:
    """The same of every imported file; one that is damaged is listed under its own name."""
    from models.backbones.converted import origin_of

    for path in imports.weights(store).values():
        try:
            origin = origin_of(path)
        except DataError:
            origin = None
        yield ("imported", path, origin.backbone, origin.known) if origin is not None else ("imported: damaged", path, "?", "")


# -- check ------------------------------------------------------------------------------------------------------------

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_backbone = click.option("--backbone", default="", help="The network that it is meant for: the file must fit it, entry by entry.")
_position = click.option("--by-position", "position", is_flag=True, help="Take its first entries in order, whatever they are called.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
_verbose = click.option("-v", "--verbose", is_flag=True, help="Show tracebacks.")


@weights.command()
@_file
@_backbone
@_position
@_json
@_verbose
def check(file: Path, backbone: str, position: bool, as_json: bool, verbose: bool) -> None:
    """Say what a weights FILE holds, without running anything in it; exit status 1 if it is not in order."""
    from models.examine import examine

    facts = examine(file, backbone, position=position).facts()
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        for word, text in _told(facts, backbone):
            click.echo(f"{word:11} {line_text(text)}")
    if facts["not_finite"] or facts["because"] == "differs":
        click.get_current_context().exit(1)


def _told(facts: dict[str, Any], backbone: str) -> Iterator[tuple[str, str]]:
    """The facts of a file, line by line."""
    yield "file", f"{facts['file']}, {size_text(facts['size'])}"
    yield "sha256", facts["sha256"]
    yield "known as", _known(facts)
    yield "holds", _network(facts)
    named = facts["backbone"] or "none of the registry's"
    yield "backbone", named + (", every entry fits" if backbone else "")
    yield "naming", _naming(facts)
    if facts["left_out"]:
        yield "left out", f"{len(facts['left_out'])} entries that are not the backbone's: {some(facts['left_out'], SHOWN)}"
    yield "numbers", ", ".join(f"{kind} ({count} entries)" for kind, count in facts["dtypes"].items())
    yield "parameters", f"{facts['parameters'] / 1e6:.2f} M"
    bad = facts["not_finite"]
    yield "values", f"{sum(bad.values())} NaN or infinite in {len(bad)} entries: {some(bad, SHOWN)}" if bad else "all finite"


def _known(facts: dict[str, Any]) -> str:
    known, because = facts["known"], facts["because"]
    origin = facts["imported_from"]
    if origin is not None:
        return f"{known or 'no published file'}, imported from {origin['file']} (sha256 {origin['sha256'][:12]})"
    return {
        "digest": f"{known}, by its digest",
        "name": f"{known}, by its name alone (no digest is published)",
        "differs": "NOT the published file of this name: its digest differs (a broken download?)",
    }.get(because, "no published file")


def _network(facts: dict[str, Any]) -> str:
    parts = [facts["family"]]
    parts += [f"depth {facts['depth']}"] if facts["depth"] else []
    parts += [f"shortcut {facts['shortcut']}"] if facts["shortcut"] else []
    parts += [f"cardinality {facts['cardinality']}"] if facts["cardinality"] else []
    parts.append(f"{facts['classes']} classes" if facts["classes"] else "no classifier")
    return ", ".join([*parts, f"{facts['channels']} input channels"])


def _naming(facts: dict[str, Any]) -> str:
    parts = [f"{facts['naming']} names", f"prefix {facts['prefix']!r}" if facts["prefix"] else "no prefix"]
    if facts["key"]:
        beside = f" beside {', '.join(facts['beside'])}" if facts["beside"] else ""
        parts.append(f"under the key {facts['key']}{beside}")
    return ", ".join(
        [*parts, "with counters of batches" if facts["counters"] else "without counters of batches (older than PyTorch 0.4.1)"]
    )


# -- import -----------------------------------------------------------------------------------------------------------


@weights.command("import")
@_file
@click.option("--as", "name", default="", help="Its name in the store (default: that of the published weights, or of the file).")
@_backbone
@_position
@click.option("--force", is_flag=True, help="Replace other weights of that name.")
@_json
@_verbose
def import_weights(file: Path, name: str, backbone: str, position: bool, force: bool, as_json: bool, verbose: bool) -> None:
    """Convert FILE's backbone to safetensors in the store: float32, our names, with an account of its origin; FILE stays."""
    from cache.digest import digest_file
    from models.examine import convert, examine

    examined = examine(file, backbone, position=position)
    if examined.because == "differs":
        raise DataError(f"{file} is not the published file of its name: its digest differs", hint="fetch it again, or rename it")
    target = imports.weights_room(Store(paths.store_root())) / f"{_plain(name, examined.known or file.stem)}.safetensors"
    data = convert(examined)
    new = _publish(target, data, force)
    short = target.stem.removeprefix(f"{examined.backbone}.")
    facts = {
        "name": target.stem,
        "path": str(target),
        "new": new,
        "size": len(data),
        "sha256": digest_file(target),
        "backbone": examined.backbone,
        "known": examined.known,
        "original": {"file": str(file), "sha256": examined.sha256},
        "left_out": len(examined.left_out),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"{'imported' if new else 'was imported already'}: {target.stem}, {_network(examined.facts())}, {size_text(len(data))}")
    if examined.left_out:
        click.echo(f"left out: {len(examined.left_out)} entries that are not the backbone's: {some(examined.left_out, SHOWN)}")
    click.echo(f"{target}\nsha256 {facts['sha256']}\nuse it:")
    click.echo(f"  {_use(examined.backbone, short, target)}")


def _use(backbone: str, short: str, path: Path) -> str:
    """The settings that use an imported file: its name is enough, but for detectors."""
    from models.backbones.registry import find
    from models.experts.registry import DETECTORS, EXPERTS

    if backbone in DETECTORS:
        return f"--set derive.skeleton.detector={backbone} --set derive.skeleton.detector_weights_file={path}"
    settings = {"backbone" if backbone not in EXPERTS else "expert": backbone, "weights": short}
    section = f"derive.{EXPERTS[backbone].kind}" if backbone in EXPERTS else f"extract.{find(backbone).kind}"
    return " ".join(f"--set {section}.{key}={value}" for key, value in settings.items())


def _plain(name: str, default: str) -> str:
    """A name that is a file's name on every system. Raises ConfigError for one that is not."""
    chosen = name or re.sub(r"[^a-z0-9._-]+", "-", default.lower()).strip(".-_") or "weights"
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", chosen):
        raise ConfigError(f"{chosen!r} cannot be a name of weights", hint="lower-case letters, digits, '.', '_' and '-', at most 100")
    if chosen in imports.NO_NAMES:
        raise ConfigError(f"{chosen!r} is a word of its own for weights", hint="choose --as NAME")
    return chosen


def _publish(target: Path, data: bytes, force: bool) -> bool:
    """Write ``data`` atomically; False if it is there already. Raises DataError if other weights have the name."""
    if target.is_file():
        if target.read_bytes() == data:
            return False
        if not force:
            raise DataError(
                f"other weights are called {target.stem} already: {target}", hint="choose --as NAME, or --force to replace them"
            )
    Store(paths.store_root()).write(target, data, read_only=True)
    return True
