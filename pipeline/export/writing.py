"""The folder of an exported network: written beside its place, tested there on real rows, and named only when it passed."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import ConfigError, KdpipeError
from cache.json_files import write_json
from models.exported import Exportable, Port, Run, apart
from pipeline.export import onnx_file, torchscript, weights_file
from pipeline.export.capture import captured
from pipeline.export.network import Leaving
from pipeline.export.script import composed
from pipeline.installed import installed

#: Format -> the file that holds the network.
FILES = {"onnx": "model.onnx", "torchscript": "model.pt", "safetensors": "model.safetensors"}
INT8 = "model.int8.onnx"
#: Packages whose versions model.json states.
PACKAGES = ("kdpipe", "torch", "onnx", "onnxscript", "onnxruntime", "numpy")
LICENCE = (
    "predict.py is part of kdpipe (Apache-2.0). The weights were trained on a dataset, and maybe from published weights, whose terms "
    "hold for them too."
)


@dataclass(frozen=True)
class Parity:
    """How far the exported network is from that of the store: the largest relative difference, over batches of these sizes."""

    difference: float
    batches: tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """What was written: the folder, its files with their sizes in bytes, the parity, and the scores by file, if they were computed."""

    folder: Path
    files: Mapping[str, int]
    parity: Parity
    measure: str = ""
    scores: Mapping[str, float] = dataclasses.field(default_factory=dict)


def write(chosen: Leaving, leaving: Exportable, format: str, out: Path, *, system: str, int8: bool = False) -> Written:
    """Write the folder ``out``, which must not be there or be empty.

    Raises KdpipeError, and leaves nothing behind, if the exported network does not say what that of the store says.
    """
    check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        written = _fill(place, chosen, leaving, format, system, int8=int8)
        if out.is_dir():
            out.rmdir()
        place.chmod(0o777 & ~_umask())
        place.replace(out)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return dataclasses.replace(written, folder=out)


def check_place(out: Path) -> None:
    """Raise ConfigError for a place where something lies already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already, and is not empty", hint="--out names a new folder")


def parity(leaving: Exportable, run: Run) -> Parity:
    """Compare a network with that of the store, on all rows."""
    differences = [apart(run(feed), leaving.reference(feed)) for feed in leaving.rows]
    first = leaving.inputs[0].name
    return Parity(max(differences), tuple(len(feed[first]) for feed in leaving.rows))


def _fill(place: Path, chosen: Leaving, leaving: Exportable, format: str, system: str, *, int8: bool) -> Written:
    path = place / FILES[format]
    run = _written(leaving, format, path)
    found = parity(leaving, run)
    if not found.difference <= leaving.tolerance:
        raise KdpipeError(
            f"{chosen.name} was not exported: what {path.name} says differs from what the network of the store says by "
            f"{found.difference:.1e} of the largest number, and {leaving.tolerance:.0e} is allowed",
            hint="another --format may do",
        )
    scores: dict[str, float] = {}
    if int8:
        onnx_file.quantise(path, place / INT8)
        runs: dict[str, Run] = {path.name: run, INT8: onnx_file.run(place / INT8, leaving.outputs)}
        scores = {name: leaving.measure.of(one) for name, one in runs.items()}
    if format != "safetensors":
        for name, array in leaving.arrays.items():
            np.save(place / f"{name}.npy", array)
        (place / "predict.py").write_text(composed(leaving.script, format), encoding="utf-8")
    write_json(place / "model.json", described(chosen, leaving, format, system, found, scores))
    sizes = {one.name: one.stat().st_size for one in sorted(place.iterdir())}
    return Written(place, sizes, found, leaving.measure.name, scores)


def _written(leaving: Exportable, format: str, path: Path) -> Run:
    """Write the network, and open what was written."""
    if format == "safetensors":
        weights_file.write(leaving, path)
        return weights_file.run(leaving, path)
    program = captured(leaving)
    if format == "torchscript":
        torchscript.write(program, path)
        return torchscript.run(path, leaving.inputs, leaving.outputs)
    onnx_file.write(leaving, program, path)
    return onnx_file.run(path, leaving.outputs)


def described(
    chosen: Leaving, leaving: Exportable, format: str, system: str, parity: Parity, scores: Mapping[str, float]
) -> dict[str, Any]:
    """What ``model.json`` says."""
    record = chosen.record
    about: dict[str, Any] = {
        "system": system,
        "network": chosen.name,
        "key": record.digest,
        "format": format,
        "file": INT8 if scores else FILES[format],
        "inputs": [_port(port) for port in leaving.inputs],
        "outputs": [_port(port) for port in leaving.outputs],
        **leaving.about,
        "parity": {
            "max_relative_difference": parity.difference,
            "relative_to": "the largest number of each output",
            "tolerance": leaving.tolerance,
            "batches": list(parity.batches),
        },
    }
    if scores:
        about["test"] = {"measure": leaving.measure.name, **scores}
    about |= {"settings": dict(record.key.params), "licence": LICENCE}
    return about | {"versions": {"trained": dict(record.versions), "exported": installed(PACKAGES)}}


def _port(port: Port) -> dict[str, Any]:
    dynamic = [axis for axis in port.axes if isinstance(axis, str)]
    return {"name": port.name, "dtype": port.dtype, "shape": list(port.axes), "dynamic": dynamic, "what": port.what}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
