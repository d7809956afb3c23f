"""A tiny trained network of every system, as it leaves, and the files that it becomes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from cache.items import ItemSet
from media.encode import write_video
from models.exported import Exportable, Found
from pipeline.export.network import Leaving
from pipeline.export.writing import Written, write

#: What an exported folder must not need.
BLOCKED = ("cache", "formats", "media", "models", "pipeline", "stages", "systems", "world")


def exportable(name: str, root: Path, **changes: Any) -> Exportable:
    """A network of one of :data:`NETWORKS`, trained for an epoch in ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    return NETWORKS[name](root, changes)


def export(leaving: Exportable, out: Path, format: str = "onnx", *, int8: bool = False) -> Written:
    """Write it as ``kdpipe export`` does."""
    record: Any = SimpleNamespace(digest="0" * 64, key=SimpleNamespace(params={"seed": 1}), versions={"torch": "2"})
    chosen = Leaving("student.kd.s1", record, None)  # type: ignore[arg-type]
    return write(chosen, leaving, format, out, system="some", int8=int8)


def about(folder: Path) -> dict[str, Any]:
    """``model.json`` of a folder."""
    found: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return found


def ask(folder: Path, *words: str, torch: bool = False) -> list[str]:
    """What ``predict.py`` prints, run where it finds nothing of kdpipe, and no torch either unless it may."""
    code = f"import sys, runpy; sys.argv = {['predict.py', *words]!r}\nfor name in {(*BLOCKED, *(() if torch else ('torch',)))}: "
    code += f"sys.modules[name] = None\nrunpy.run_path({str(folder / 'predict.py')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def film(path: Path, frames: int = 30, side: int = 48, *, rate: int = 10, sound: bool = False, seed: int = 0) -> Path:
    """A video of noise in which a square moves."""
    pictures = np.random.default_rng(seed).integers(0, 80, (frames, side, side + 16, 3)).astype(np.uint8)
    for t, picture in enumerate(pictures):
        picture[8:24, (2 * t) % side :][:, :12] = 230
    heard = np.sin(np.arange(frames * 16_000 // rate) / 9).astype(np.float32) / 2 if sound else None
    write_video(path, pictures, rate, heard)
    return path


def _found(network: Path, inputs: Mapping[str, Path], **params: Any) -> Found:
    items = {name: ItemSet(path / "items", writable=False) for name, path in inputs.items() if (path / "items").exists()}
    return Found(network, inputs, items, params)


def _videoqa(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.videoqa.exported import load
    from tests.videoqa.conftest import Bench, upstream

    bench = Bench(root, upstream(root))
    student = bench.student("student", **{"epochs": 1, "kd": "none", **changes})
    return load(_found(student, {name: bench.inputs[name] for name in ("appearance", "motion", "questions")}))


def _fewerframes(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.fewerframes.exported import load
    from tests.fewerframes.conftest import Bench, write_features

    bench = Bench(root, write_features(root / "ingest"))
    return load(_found(bench.student("student", **{"epochs": 1, "k": 6, **changes}), {"ingest": bench.ingest}))


def _litemkd(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.litemkd import EvaluateParams
    from systems.litemkd.exported import load
    from tests.litemkd.conftest import make_bench

    bench = make_bench(root, modalities=("rgb",))
    params = EvaluateParams(way=3, shots=(2,), queries=1, episodes=4)
    return load(_found(bench.student(**{"episodes": 4, **changes}), {"index": bench.index, "frames": root / "rgb"}, evaluate=params))


def _recognition(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.gkd.recognition.exported import load
    from systems.gkd.recognition.params import EvaluateParams
    from tests.gkd import recognition_bench

    recognition_bench.make_bench(root, train=1, test=2, modalities=("rgb",))
    bench = recognition_bench.Bench(root)
    student = bench.student(**{"epochs": 1, **changes}).out
    return load(_found(student, {"index": root / "index", "frames": root / "rgb"}, evaluate=EvaluateParams()))


def _detection(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.gkd.detection.exported import load
    from systems.gkd.detection.params import EvaluateParams
    from tests.gkd import detection_bench

    bench = detection_bench.make_bench(root, modalities=("rgb",))
    student = bench.student(**{"epochs": 1, **changes}).out
    params = EvaluateParams(stride=16, threshold=1e-4)
    return load(_found(student, {"index": root / "index", "arrays": root / "rgb"}, evaluate=params))


def _encoders(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.xkd.exported import encoders
    from tests.xkd.bench import make_bench

    made = make_bench(root).pretrain(**{"epochs": 1, **changes})
    return encoders(_found(made.out, {name: root / name for name in ("index", "frames", "sound")}))


def _head(root: Path, changes: Mapping[str, Any]) -> Exportable:
    from systems.xkd.exported import tuned
    from systems.xkd.params import LinearParams
    from systems.xkd.tune import linear
    from tests.xkd.bench import make_bench

    bench = make_bench(root)
    pretrained = bench.pretrain(epochs=1).out
    params = LinearParams(**{"epochs": 1, "batch_size": 3, "warmup_epochs": 0, **changes})
    made = bench.run(linear, params, "linear", {"pretrain": pretrained})
    inputs = {name: root / name for name in ("index", "frames", "sound")}
    return tuned(_found(made.out, {**inputs, "pretrain": pretrained}, linear=params))


NETWORKS: dict[str, Callable[[Path, Mapping[str, Any]], Exportable]] = {
    "videoqa": _videoqa,
    "fewerframes": _fewerframes,
    "litemkd": _litemkd,
    "recognition": _recognition,
    "detection": _detection,
    "encoders": _encoders,
    "head": _head,
}
