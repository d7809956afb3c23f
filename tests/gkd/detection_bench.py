"""A few drawn untrimmed videos as arrays, and contexts in which the stages of detection run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from formats import afsd_npy
from systems.gkd import TimingParams
from systems.gkd.detection.array_files import file_of, write_list
from systems.gkd.detection.params import EvaluateParams, StudentParams, TeacherParams
from systems.gkd.variants import VARIANTS

CLASSES = ("Bow", "Clap", "Jump")
FRAMES, SIDE = 90, 20
SIZES = {"frames": 32, "size": 16, "levels": 3, "width": 0.0625, "stride": 16, "epochs": 2, "lr": 1e-3, "freeze_bn": False, "seed": 1}
#: instances of each video: class, start and end in seconds; frames come ten a second
PARTS = {
    "v1": ("val", [("Bow", 1.0, 2.4), ("Clap", 4.0, 5.5), ("Jump", 7.0, 8.2)]),
    "v2": ("val", [("Jump", 0.5, 1.9), ("Bow", 3.2, 5.0)]),
    "v3": ("val", []),
    "t1": ("test", [("Clap", 1.1, 2.5), ("Jump", 5.0, 6.4)]),
    "t2": ("test", [("Bow", 3.0, 4.4), ("Bow", 6.0, 7.5)]),
    "t3": ("test", [("Clap", 2.0, 3.0)]),
}


@dataclass
class Bench:
    """Artifacts of ``index`` and of ``arrays`` (``rgb``, ``flow``); a way to run stages."""

    root: Path
    parts: dict[str, tuple[str, list[tuple[str, float, float]]]] = field(default_factory=lambda: dict(PARTS))

    def context(self, params: Any, name: str, inputs: Mapping[str, Path], files: Mapping[str, Path] | None = None, **more: Any) -> Context:
        """A context with an output directory ``name``; ``name`` with its seed is the node."""
        out, scratch = self.root / name, self.root / f"{name}.scratch"
        for directory in (out, scratch):
            directory.mkdir(exist_ok=True)
        items = {name: ItemSet(path / "items", writable=False) for name, path in inputs.items() if (path / "items").exists()}
        places = {"index": self.root / "index", **inputs}
        made = {"params": params, "out": out, "scratch": scratch, "ledger": Ledger(), "progress": Quiet, "inputs": places}
        return Context(**made, input_items=items, files=files or {}, node=f"{name}.s1", **more)

    def teacher(self, name: str = "teacher", modality: str = "rgb", *, files: Mapping[str, Path] | None = None, **changes: Any) -> Context:
        """Train a tiny teacher, or take one of ``files``."""
        from systems.gkd.detection import teacher

        params = TeacherParams(**{**SIZES, "weights": "random", "modality": modality, **changes})
        ctx = self.context(params, name, {} if files else {"arrays": self.root / modality}, files)
        teacher.run(ctx)
        return ctx

    def student(
        self,
        variant: str = "alone",
        teacher: Context | None = None,
        *,
        name: str = "",
        modality: str = "rgb",
        files: Mapping[str, Path] | None = None,
        workers: int = 1,
        **changes: Any,
    ) -> Context:
        """Train a tiny student, or take one of ``files``."""
        from systems.gkd.detection import student

        generative, attention = VARIANTS[variant]
        params = StudentParams(**{**SIZES, "modality": modality, "generative": generative, "attention": attention, **changes})
        inputs = {} if files else {"arrays": self.root / modality}
        taught = {} if teacher is None else {"teacher": teacher.out}
        ctx = self.context(params, name or f"student.{variant}", {**inputs, **taught}, files, workers=workers)
        student.run(ctx)
        return ctx

    def evaluate(self, networks: Mapping[str, Context], *, name: str = "evaluate", **changes: Any) -> Context:
        """Evaluate networks by name."""
        from systems.gkd.detection import evaluate

        arrays = {"arrays": self.root / "rgb", "arrays.flow": self.root / "flow"}
        there = {alias: path for alias, path in arrays.items() if path.is_dir()}
        params = EvaluateParams(**{"stride": 16, **changes})
        ctx = self.context(params, name, {**there, **{name: made.out for name, made in networks.items()}})
        evaluate.run(ctx)
        return ctx

    def time(self, networks: Mapping[str, Context]) -> Context:
        """Time networks by name."""
        from systems.gkd.detection import timing

        ctx = self.context(TimingParams(repeats=1, batch_size=2), "timing", {name: made.out for name, made in networks.items()})
        timing.run(ctx)
        return ctx


def make_bench(root: Path, modalities: tuple[str, ...] = ("rgb", "flow")) -> Bench:
    """A bench with three videos to train on, one of them without an instance, and three to test on, of which one is not scored."""
    bench = Bench(root)
    write_index(bench)
    for modality in modalities:
        write_arrays(bench, modality)
    return bench


def write_index(bench: Bench, classes: tuple[str, ...] = CLASSES, **about: Any) -> None:
    """Write the index of the bench's videos."""
    index = bench.root / "index"
    index.mkdir(parents=True, exist_ok=True)
    media = [{"id": id, "digest": "x", "path": id, "splits": [split]} for id, (split, _) in bench.parts.items()]
    said = [
        {"video_id": id, "classes": [name], "segment": [start, end]} for id, (_, own) in bench.parts.items() for name, start, end in own
    ]
    for name, lines in (("media", media), ("annotations", said)):
        (index / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    dataset = {"name": "acts", "classes": list(classes), "ambiguous": [["v1", 3.0, 3.4], ["t1", 8.0, 8.3]], "not_scored": ["t3"], **about}
    (index / "dataset.json").write_text(json.dumps(dataset))


def drawn(bench: Bench, id: str, modality: str) -> np.ndarray[Any, Any]:
    """The array of a video, uint8 (T, SIDE, SIDE, C): noise, and while an action lasts a bright square whose place is that of its class."""
    channels = 3 if modality == "rgb" else 2
    clip = np.random.default_rng([len(modality), *id.encode()]).integers(0, 60, (FRAMES, SIDE, SIDE, channels)).astype(np.uint8)
    for name, start, end in bench.parts[id][1]:
        place = 6 * CLASSES.index(name)
        clip[round(10 * start) : round(10 * end), 4:14, place : place + 7] = 250
    return clip


def write_arrays(bench: Bench, modality: str, lack: tuple[str, ...] = ()) -> None:
    """Write an artifact of arrays of all videos but those that it shall ``lack``."""
    artifact = bench.root / modality
    artifact.mkdir(parents=True, exist_ok=True)
    videos = [id for id in bench.parts if id not in lack]
    for id in videos:
        clip = drawn(bench, id, modality)
        afsd_npy.write(artifact / file_of(id), iter(clip), len(clip), clip.shape[-1])
    write_list(artifact, videos, modality, 10.0)


def curves(made: Context) -> list[dict[str, Any]]:
    """The curves of a trained network."""
    return [json.loads(line) for line in (made.out / "curves.jsonl").read_text().splitlines()]


def about(made: Context) -> dict[str, Any]:
    """The ``model.json`` of a trained network."""
    found: dict[str, Any] = json.loads((made.out / "model.json").read_text())
    return found


def files(made: Context) -> dict[str, bytes]:
    """All that a stage wrote."""
    return {path.name: path.read_bytes() for path in sorted(made.out.iterdir())}
