"""A few drawn clips as the stages before leave them, and contexts in which the stages of recognition run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from media.frames import encode_image, encode_pictures
from systems.gkd import TimingParams
from systems.gkd.recognition.params import EvaluateParams, StudentParams, TeacherParams

CLASSES = ("ant", "bee", "cat")
FRAMES, HEIGHT, WIDTH = 14, 36, 44
SIZES = {"frames": 9, "size": 32, "width": 0.0625, "epochs": 2, "batch_size": 2, "seed": 1}
VARIANTS = {"alone": (False, False), "kd": (True, True), "generative": (True, False), "attention": (False, True)}


@dataclass
class Bench:
    """Artifacts of ``index``, ``sample`` (``rgb``) and ``derive`` (``flow``) with their items; a way to run stages."""

    root: Path
    videos: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> split, class

    def context(
        self, params: Any, name: str, inputs: Mapping[str, Path], files: Mapping[str, Path] | None = None, workers: int = 1
    ) -> Context:
        """A context with an output directory ``name``; ``name`` with its seed is the node."""
        out, scratch = self.root / name, self.root / f"{name}.scratch"
        for directory in (out, scratch):
            directory.mkdir(exist_ok=True)
        items = {name: ItemSet(path / "items", writable=False) for name, path in inputs.items() if (path / "items").exists()}
        return Context(
            params=params,
            out=out,
            scratch=scratch,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"index": self.root / "index", **inputs},
            input_items=items,
            files=files or {},
            workers=workers,
            node=f"{name}.s1",
        )

    def teacher(self, name: str = "teacher", modality: str = "rgb", *, files: Mapping[str, Path] | None = None, **changes: Any) -> Context:
        """Train a tiny teacher, or take one of ``files``."""
        from systems.gkd.recognition import teacher

        params = TeacherParams(**{**SIZES, "weights": "random", "modality": modality, **changes})
        ctx = self.context(params, name, {} if files else {"frames": self.root / modality}, files)
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
        from systems.gkd.recognition import student

        generative, attention = VARIANTS[variant]
        params = StudentParams(**{**SIZES, "modality": modality, "generative": generative, "attention": attention, **changes})
        inputs = {} if files else {"frames": self.root / modality}
        taught = {} if teacher is None else {"teacher": teacher.out}
        ctx = self.context(params, name or f"student.{variant}", {**inputs, **taught}, files, workers)
        student.run(ctx)
        return ctx

    def evaluate(self, networks: Mapping[str, Context], **changes: Any) -> Context:
        """Evaluate networks by name."""
        from systems.gkd.recognition import evaluate

        pictures = {"frames": self.root / "rgb", "flow": self.root / "flow"}
        ctx = self.context(EvaluateParams(**changes), "evaluate", {**pictures, **{name: made.out for name, made in networks.items()}})
        evaluate.run(ctx)
        return ctx

    def time(self, networks: Mapping[str, Context]) -> Context:
        """Time networks by name."""
        from systems.gkd.recognition import timing

        params = TimingParams(repeats=1, batch_size=2)
        ctx = self.context(params, "timing", {name: made.out for name, made in networks.items()})
        timing.run(ctx)
        return ctx


def make_bench(root: Path, train: int = 2, test: int = 1, modalities: tuple[str, ...] = ("rgb", "flow")) -> Bench:
    """A bench with that many clips of each class in fold 1."""
    bench = Bench(root)
    for label in CLASSES:
        bench.videos |= {f"{label}{number}": ("1/train" if number < train else "1/test", label) for number in range(train + test)}
    write_index(bench)
    for modality in modalities:
        write_pictures(bench, modality)
    return bench


def write_index(bench: Bench, classes: tuple[str, ...] = CLASSES) -> None:
    """Write the index of the bench's videos."""
    index = bench.root / "index"
    index.mkdir(parents=True, exist_ok=True)
    media = [{"id": id, "digest": "x", "path": id, "splits": [split]} for id, (split, _) in bench.videos.items()]
    said = [{"video_id": id, "classes": [label], "segment": None} for id, (_, label) in bench.videos.items()]
    for name, lines in (("media", media), ("annotations", said)):
        (index / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (index / "dataset.json").write_text(json.dumps({"name": "animals", "classes": list(classes)}))


def drawn(id: str, label: str, modality: str, frames: int = FRAMES) -> np.ndarray[Any, Any]:
    """The pictures of a video, uint8 (T, H, W, C): a bright square moves over noise, its colour and speed are those of the class."""
    random, kind = np.random.default_rng([len(modality), *id.encode()]), CLASSES.index(label)
    clip = random.integers(0, 60, (frames, HEIGHT, WIDTH, 3 if modality == "rgb" else 2)).astype(np.uint8)
    for t, picture in enumerate(clip):
        picture[4:16, (2 + t * (1 + kind)) % (WIDTH - 12) :][:, :12, : 1 + kind % picture.shape[-1]] = 250
    return clip


def write_pictures(bench: Bench, modality: str, frames: Mapping[str, int] | None = None) -> None:
    """Write an artifact of sampled or derived pictures, and its items; ``frames``: how many, where not the usual number."""
    artifact = bench.root / modality
    artifact.mkdir(parents=True, exist_ok=True)
    items, lines = ItemSet(artifact / "items"), []
    for id, (_, label) in bench.videos.items():
        clip = drawn(id, label, modality, (frames or {}).get(id, FRAMES))
        numbers = np.arange(len(clip), dtype=np.int32)
        if modality == "rgb":
            stills: Any = [encode_image(picture) for picture in clip]
        else:
            stills = [tuple(encode_image(picture[..., plane]) for plane in (0, 1)) for picture in clip]
        payload = encode_pictures(numbers[None], numbers, numbers.astype(np.float64), stills)
        media = hashlib.sha256(f"{modality} {id} {len(clip)}".encode()).hexdigest()
        items.append(media, payload, {"state": "ok"})
        digest = hashlib.sha256(payload).hexdigest()
        lines.append({"id": id, "media": media, "frames": digest, "count": len(clip), "width": WIDTH, "height": HEIGHT})
    items.flush()
    write_rows(bench, modality, lines)


def rows(bench: Bench, modality: str = "rgb") -> list[dict[str, Any]]:
    """Read ``frames.jsonl``."""
    return [json.loads(line) for line in (bench.root / modality / "frames.jsonl").read_text().splitlines()]


def write_rows(bench: Bench, modality: str, lines: list[dict[str, Any]]) -> None:
    """Write it."""
    (bench.root / modality / "frames.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


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
