"""A few drawn clips of few classes, as the stages before leave them, and contexts in which the stages of this system run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from media.frames import encode_image, encode_payload
from systems.litemkd import DumpParams, ExpertParams, FuseParams, StudentParams, TeacherParams

#: split -> classes, of five videos each
CLASSES = {"train": ("ant", "bee", "cat", "dog"), "val": ("eel", "fox", "gnu"), "test": ("hen", "ibis", "jay")}
VIDEOS, FRAMES = 5, 4
SIZES = {
    "way": 3,
    "shot": 2,
    "queries": 2,
    "episodes": 10,
    "accumulate": 4,
    "record_every": 4,
    "frames": FRAMES,
    "out_dim": 12,
    "seed": 1,
}
SEEN = {"backbone": "small2d", "weights": "random", "image_size": 14}


@dataclass
class Bench:
    """Artifacts of ``index``, and of ``sample`` or ``derive`` by modality with their items; a way to run stages."""

    root: Path
    videos: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> split, class
    sets: dict[str, Path] = field(default_factory=dict)  # name of a dump -> its item set

    @property
    def index(self) -> Path:
        """The artifact of the index."""
        return self.root / "index"

    def context(self, params: Any, name: str, inputs: Mapping[str, Path], files: Mapping[str, Path] | None = None) -> Context:
        """A context with an output directory ``name``; ``name`` with its seed is the node."""
        out, scratch = self.root / name, self.root / f"{name}.scratch"
        for directory in (out, scratch):
            directory.mkdir(exist_ok=True)
        frames = inputs.get("frames")
        return Context(
            params=params,
            out=out,
            scratch=scratch,
            ledger=Ledger(),
            progress=Quiet,
            inputs={"index": self.index, **inputs},
            input_items={} if frames is None else {"frames": ItemSet(frames / "items", writable=False)},
            files=files or {},
            items=ItemSet(self.sets[name]) if name in self.sets else None,
            node=f"{name}.s1",
        )

    def expert(self, name: str = "expert.rgb", modality: str = "rgb", **changes: Any) -> Path:
        """Train a tiny expert."""
        from systems.litemkd import expert

        ctx = self.context(ExpertParams(**{**SIZES, **SEEN, "modality": modality, **changes}), name, {"frames": self.root / modality})
        expert.run(ctx)
        return ctx.out

    def dump(self, made_by: Path, name: str = "dump.rgb", modality: str = "rgb", rows: str = "", **changes: Any) -> Context:
        """Dump what an expert sees; ``rows`` names the item set."""
        from systems.litemkd import dump

        self.sets[name] = self.root / f"{rows or name}.items"
        ctx = self.context(DumpParams(**{"backbone": "small2d", **changes}), name, {"expert": made_by, "frames": self.root / modality})
        dump.run(ctx)
        return ctx

    def teacher(self, dumps: Mapping[str, Path], name: str = "teacher", **changes: Any) -> Path:
        """Train a tiny teacher."""
        from systems.litemkd import teacher

        own = {"modalities": tuple(dumps), "layers": 1, "feedforward": 8}
        ctx = self.context(TeacherParams(**{**SIZES, **own, **changes}), name, dumps)
        teacher.run(ctx)
        return ctx.out

    def fuse(self, teacher: Path, dumps: Mapping[str, Path], name: str = "dump.fused", **changes: Any) -> Context:
        """Dump what a teacher fuses."""
        from systems.litemkd import fuse

        self.sets[name] = self.root / f"{name}.items"
        ctx = self.context(FuseParams(**{"modalities": tuple(dumps), **changes}), name, {"teacher": teacher, **dumps})
        fuse.run(ctx)
        return ctx

    def student(self, inputs: Mapping[str, Path] | None = None, name: str = "student.alone", **changes: Any) -> Path:
        """Train a tiny student."""
        from systems.litemkd import student

        ctx = self.context(
            StudentParams(**{**SIZES, **SEEN, "dim": 16, "milestones": (), **changes}),
            name,
            {"frames": self.root / "rgb", **(inputs or {})},
        )
        student.run(ctx)
        return ctx.out


def write_clips(bench: Bench, modality: str, *, height: int = 18, width: int = 22) -> None:
    """Write an artifact of sampled or derived frames, and its items: a class is a colour and a direction, a video has its own noise."""
    artifact = bench.root / modality
    artifact.mkdir(parents=True, exist_ok=True)
    items = ItemSet(artifact / "items")
    kinds = sorted({label for _, label in bench.videos.values()})
    lines = []
    for id, (_, label) in bench.videos.items():
        random = np.random.default_rng([len(modality), *id.encode()])
        colour = np.random.default_rng(kinds.index(label)).integers(40, 200, 3)
        clip = (random.integers(0, 60, (FRAMES, height, width, 3)) + colour).clip(0, 255).astype(np.uint8)
        for t, frame in enumerate(clip):
            frame[4:10, (2 + t * (1 + kinds.index(label) % 3)) % (width - 4) :][:, :4] = 255
        numbers = np.arange(FRAMES, dtype=np.int32)
        payload = encode_payload(
            numbers[None], {n: float(n) for n in range(FRAMES)}, {n: encode_image(frame) for n, frame in enumerate(clip)}
        )
        import hashlib

        media = hashlib.sha256(f"{modality} {id}".encode()).hexdigest()
        items.append(media, payload, {"state": "ok"})
        digest = hashlib.sha256(payload).hexdigest()
        lines.append({"id": id, "media": media, "frames": digest, "count": FRAMES, "width": width, "height": height})
    items.flush()
    write_frames(artifact, lines)


def write_frames(artifact: Path, lines: list[dict[str, Any]]) -> None:
    """Write ``frames.jsonl``."""
    (artifact / "frames.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def frames(artifact: Path) -> list[dict[str, Any]]:
    """Read it."""
    return [json.loads(line) for line in (artifact / "frames.jsonl").read_text().splitlines()]


def write_index(bench: Bench) -> None:
    """Write the index of the bench's videos."""
    bench.index.mkdir(parents=True, exist_ok=True)
    media = [{"id": id, "digest": "x", "path": id, "splits": [f"few-shot/{split}"]} for id, (split, _) in bench.videos.items()]
    said = [{"video_id": id, "classes": [label], "segment": None} for id, (_, label) in bench.videos.items()]
    for name, lines in (("media", media), ("annotations", said)):
        (bench.index / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (bench.index / "dataset.json").write_text(json.dumps({"name": "animals"}))


def make_bench(root: Path, videos: int = VIDEOS, modalities: tuple[str, ...] = ("rgb", "depth")) -> Bench:
    """A bench with that many videos of each class."""
    bench = Bench(root)
    for split, labels in CLASSES.items():
        for label in labels:
            bench.videos |= {f"{label}{number}": (split, label) for number in range(videos)}
    write_index(bench)
    for modality in modalities:
        write_clips(bench, modality)
    return bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench of its own."""
    return make_bench(tmp_path)


@dataclass
class Chain:
    """Experts, dumps, the teacher and its dump, made once: only read."""

    bench: Bench
    experts: dict[str, Path]
    dumps: dict[str, Path]
    teacher: Path
    fused: Path

    def taught(self, by: str = "fused") -> dict[str, Path]:
        """What a student reads that learns from fused features, or from those of rgb."""
        return (
            {"features": self.fused, "teacher": self.teacher}
            if by == "fused"
            else {"features": self.dumps[by], "teacher": self.experts[by]}
        )


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A finished chain up to the dump of the teacher."""
    return make_chain(tmp_path_factory.mktemp("chain"))


def make_chain(root: Path) -> Chain:
    """Train experts and a teacher on a bench."""
    made = make_bench(root)
    experts = {modality: made.expert(f"expert.{modality}", modality) for modality in ("rgb", "depth")}
    dumps = {modality: made.dump(expert, f"dump.{modality}", modality).out for modality, expert in experts.items()}
    teacher = made.teacher(dumps)
    return Chain(made, experts, dumps, teacher, made.fuse(teacher, dumps).out)


Run = Callable[..., Path]
