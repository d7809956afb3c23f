"""A small set of frame features in which a class shows in a few frames, and contexts in which the real stage functions run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.ledger import Ledger
from cache.ragged import RaggedWriter
from cache.stage import Context, Quiet
from systems.fewerframes import DumpParams, EvaluateParams, StudentParams, TeacherParams

RGB, AUDIO, CLASSES, FRAMES = 16, 8, 10, 24
COUNTS = {"train": 160, "validate": 60, "test": 12}
SIZES = {
    "groups": 4,
    "clusters": 4,
    "hidden": 16,
    "gating_reduction": 4,
    "drop_rate": 0.0,
    "bn_decay": 0.8,
    "normalisation": "l2",
    "max_frames": FRAMES,
    "batch_size": 16,
    "epochs": 3,
    "lr": 5e-3,
    "holdout": 0.2,
    "seed": 1,
}


@dataclass
class Bench:
    """The artifact of ``ingest``, and a way to run the stages of this system."""

    root: Path
    ingest: Path

    def context(self, params: Any, name: str, inputs: Mapping[str, Path] | None = None, files: Mapping[str, Path] | None = None) -> Context:
        """A context with a fresh output directory ``name``."""
        out, scratch = self.root / name, self.root / f"{name}.scratch"
        for directory in (out, scratch):
            directory.mkdir(exist_ok=True)
        return Context(
            params=params,
            out=out,
            scratch=scratch,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"ingest": self.ingest, "index": self.ingest, **(inputs or {})},
            files=files or {},
        )

    def run(self, function: Callable[[Context], None], params: Any, name: str, inputs: Mapping[str, Path] | None = None) -> Path:
        """Run a stage and return its artifact."""
        ctx = self.context(params, name, inputs)
        function(ctx)
        return ctx.out

    def teacher(self, name: str = "teacher", **changes: Any) -> Path:
        """Train a tiny teacher."""
        from systems.fewerframes import teacher

        return self.run(teacher.run, TeacherParams(**{**SIZES, **changes}), name)

    def dump(self, teacher: Path, name: str = "dump", **changes: Any) -> Path:
        """Dump what a teacher says."""
        from systems.fewerframes import dump

        return self.run(dump.run, DumpParams(**{"batch_size": 32, **changes}), name, {"teacher": teacher})

    def student(self, name: str, inputs: Mapping[str, Path] | None = None, **changes: Any) -> Path:
        """Train a tiny student."""
        from systems.fewerframes import student

        return self.run(student.run, StudentParams(**{**SIZES, **changes}), name, inputs)

    def evaluation(self, networks: Mapping[str, Path], name: str = "evaluate.s1", **changes: Any) -> Path:
        """Evaluate networks by name."""
        from systems.fewerframes import evaluate

        return self.run(evaluate.run, EvaluateParams(**changes), name, networks)


def write_features(
    directory: Path, counts: Mapping[str, int] = COUNTS, *, rgb: int = RGB, audio: int = AUDIO, classes: int = CLASSES
) -> Path:
    """Write partitions: every label of a video shows as its class's pattern in a third of the frames; test has no labels."""
    directory.mkdir(parents=True)
    patterns = np.random.default_rng(7).integers(0, 256, (classes, rgb + audio))
    for number, (name, count) in enumerate(counts.items()):
        random = np.random.default_rng([3, number])
        videos = []
        for _ in range(count):
            length = int(random.integers(8, FRAMES + 6))
            labels = np.sort(random.choice(classes, random.integers(1, 4), replace=False))
            frames = random.integers(0, 256, (length, rgb + audio))
            for label in labels:
                shown = random.random(length) < 0.33
                frames[shown] = (frames[shown] + 3 * patterns[label]) // 4
            videos.append((labels if name != "test" else [], frames.astype(np.uint8)))
        rows = sum(len(codes) for _, codes in videos)
        with RaggedWriter(directory / f"{name}.h5", rgb + audio, rows=rows, about={"num_classes": classes}) as file:
            for video, (labels, codes) in enumerate(videos):
                file.append(f"{name[0]}{video:03d}", labels, codes[:, :rgb], codes[:, rgb:])
    facts = {"rgb": rgb, "audio": audio, "num_classes": classes, "max_frames": FRAMES, "level": "frame"}
    (directory / "frames.json").write_text(json.dumps(facts))
    (directory / "dataset.json").write_text(json.dumps({"name": "tiny"}))
    return directory


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench of its own."""
    return Bench(tmp_path, write_features(tmp_path / "ingest"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict[str, Path]]:
    """A bench with a teacher, its dump, all students and their evaluation: made once, only read."""
    root = tmp_path_factory.mktemp("trained")
    made = Bench(root, write_features(root / "ingest"))
    teacher = made.teacher()
    dump = made.dump(teacher)
    found = {"teacher": teacher, "dump": dump}
    for variant, kinds in {"alone": (), "rep": ("rep",), "pred": ("pred",), "both": ("rep", "pred")}.items():
        inputs = {"dump": dump} if kinds else {}
        found[f"student.{variant}.k6"] = made.student(variant, inputs, **dict.fromkeys(kinds, True))
    found["evaluate"] = made.evaluation({name: path for name, path in found.items() if name != "dump"})
    return made, found
