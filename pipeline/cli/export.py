"""``kdpipe export``: a trained network as files that need no kdpipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cache.errors import ConfigError
from pipeline import paths
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, session_options

if TYPE_CHECKING:
    from pipeline.export.network import Leaving
    from pipeline.export.writing import Written

FORMATS = ("onnx", "torchscript", "safetensors")


@click.command()
@click.argument("network", default="", metavar="[STUDENT]")
@click.option("--format", "format", type=click.Choice(FORMATS), default="onnx", show_default=True, help="What the network becomes.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new folder for the files.")
@click.option("--int8", is_flag=True, help="Also with weights as 8-bit integers (onnx); both are scored on the test split.")
@session_options(*WHAT, *LOOK)
def export(session: Session, network: str, format: str, out: Path, int8: bool) -> None:
    """Write a trained network as files that need no kdpipe.

    STUDENT is a node, a pin or a key (default: the distilled student of the first seed). Beside the network lie model.json, which says what
    goes in and what comes out, and predict.py, which asks it. Nothing is written unless the exported network says, on rows of the store,
    what the trained one says.
    """
    from pipeline.export.network import leaving, loaded
    from pipeline.export.writing import check_place, write

    if int8 and format != "onnx":
        raise ConfigError("--int8 is for onnx", hint="--format onnx")
    judge, out = session.look(), paths.expanded(out)
    check_place(out)
    chosen = leaving(judge, network)
    say_assumed(judge)
    if chosen.note:
        click.echo(f"note: {chosen.note}", err=True)
    written = write(chosen, loaded(judge, chosen), format, out, system=judge.system, int8=int8)
    click.echo(_as_json(chosen, written) if session.json else "\n".join(_lines(chosen, written)))


def _as_json(chosen: Leaving, written: Written) -> str:
    found: dict[str, Any] = {
        "network": chosen.name,
        "key": chosen.record.digest,
        "folder": str(written.folder),
        "files": dict(written.files),
    }
    found |= {"max_relative_difference": written.parity.difference, "batches": list(written.parity.batches)}
    return json.dumps(found | ({"test": {"measure": written.measure, **written.scores}} if written.scores else {}))


def _lines(chosen: Leaving, written: Written) -> list[str]:
    """What was written, how far it is from the trained network, and its scores."""
    batches = ", ".join(map(str, written.parity.batches))
    lines = [f"{chosen.name} ({chosen.record.digest[:12]}) in {written.folder}"]
    lines += [f"  {name:20} {size / 1e3:10,.1f} kB" for name, size in written.files.items()]
    lines.append(f"  largest difference on rows of the store: {written.parity.difference:.1e} (batches of {batches})")
    return lines + [f"  {written.measure}, test split: {100 * score:.1f} %  {name}" for name, score in written.scores.items()]
