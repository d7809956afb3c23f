"""A few drawn recordings as the stages before leave them, and contexts in which the stages of xkd run."""

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
from media.waveform import encode_waveform
from systems.xkd.params import PretrainParams

CLASSES = ("ant", "bee", "cat")
FPS, RATE = 8.0, 4000
FRAMES, HEIGHT, WIDTH = 10, 20, 28
WIDTHS = {"width": 12, "depth": 2, "heads": 3, "decoder_width": 8, "decoder_depth": 1, "decoder_heads": 2, "hidden": 10, "bottleneck": 6}
VIDEO = {"frames": 4, "size": 16, "cuboid": 2, "patch": 8, "local_frames": 2, "local_size": 8}
AUDIO = {"bands": 8, "patch_bands": 4, "patch_columns": 4, "rate": RATE, "hop": 129, "window": 256}
SIZES: dict[str, Any] = {**WIDTHS, "out": 20, **VIDEO, **AUDIO, "epochs": 2, "batch_size": 3, "warmup_epochs": 1, "seed": 1}


@dataclass
class Bench:
    """Artifacts of ``index`` and of both samples (``frames``, ``sound``) with their items; a way to run stages."""

    root: Path
    videos: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # id -> split, classes

    def run(
        self, stage: Any, params: Any, name: str, reads: Mapping[str, Path] | None = None, files: Mapping[str, Path] | None = None
    ) -> Context:
        """Run ``stage`` with the index, both samples and ``reads``; what it writes is in the folder ``name``."""
        out, scratch = self.root / name, self.root / f"{name}.scratch"
        for directory in (out, scratch):
            directory.mkdir(exist_ok=True)
        inputs = {alias: self.root / alias for alias in ("index", "frames", "sound")} | dict(reads or {})
        ctx = Context(
            params=params,
            out=out,
            scratch=scratch,
            ledger=Ledger(),
            progress=Quiet,
            inputs=inputs,
            input_items={alias: ItemSet(inputs[alias] / "items", writable=False) for alias in ("frames", "sound")},
            items=ItemSet(self.root / f"{name}.items"),
            files=files or {},
            node=f"{name}.s1",
        )
        stage(ctx)
        return ctx

    def pretrain(self, name: str = "pretrain.full", *, files: Mapping[str, Path] | None = None, **changes: Any) -> Context:
        """Train tiny encoders, or take those of ``files``."""
        from systems.xkd.pretrain import run

        named = {key: str(path) for key, path in (files or {}).items()}
        return self.run(run, PretrainParams(**{**SIZES, **changes, **named}), name, files=files)


def make_bench(root: Path, train: int = 2, test: int = 1) -> Bench:
    """A bench with that many recordings of each class."""
    bench = Bench(root)
    for label in CLASSES:
        bench.videos |= {f"{label}{number}": ("train" if number < train else "test", (label,)) for number in range(train + test)}
    write_index(bench)
    write_frames(bench)
    write_sound(bench)
    return bench


def write_index(bench: Bench) -> None:
    """Write the index of the bench's recordings."""
    index = bench.root / "index"
    index.mkdir(parents=True, exist_ok=True)
    media = [{"id": id, "digest": "x", "path": id, "splits": [split]} for id, (split, _) in bench.videos.items()]
    said = [{"video_id": id, "classes": list(labels), "segment": None} for id, (_, labels) in bench.videos.items()]
    for name, lines in (("media", media), ("annotations", said)):
        write_lines(index / f"{name}.jsonl", lines)
    (index / "dataset.json").write_text(json.dumps({"name": "animals", "classes": list(CLASSES)}))


def write_frames(bench: Bench, ids: Mapping[str, str] | None = None) -> None:
    """Write the frames: a bright square moves over noise, its colour and speed are those of the class. ``ids``: other names of them."""
    artifact = bench.root / "frames"
    artifact.mkdir(parents=True, exist_ok=True)
    items, lines = ItemSet(artifact / "items"), []
    for id, (_, labels) in bench.videos.items():
        kind = CLASSES.index(labels[0])
        clip = np.random.default_rng([1, *id.encode()]).integers(0, 60, (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
        for t, picture in enumerate(clip):
            picture[4:12, (2 + t * (1 + kind)) % (WIDTH - 8) :][:, :8, kind] = 250
        numbers = np.arange(FRAMES, dtype=np.int32)
        payload = encode_pictures(numbers[None], numbers, numbers / FPS, [encode_image(picture) for picture in clip])
        digest = hashlib.sha256(payload).hexdigest()
        media = hashlib.sha256(f"{bench.root} {id}".encode()).hexdigest()
        items.append(media, payload, {"state": "ok"})
        lines.append({"id": (ids or {}).get(id, id), "media": media, "frames": digest, "count": FRAMES, "width": WIDTH, "height": HEIGHT})
    items.flush()
    write_lines(artifact / "frames.jsonl", lines)


def write_sound(bench: Bench, ids: Mapping[str, str] | None = None) -> None:
    """Write the sounds: noise, and a tone that is that of the class."""
    artifact = bench.root / "sound"
    artifact.mkdir(parents=True, exist_ok=True)
    items, lines = ItemSet(artifact / "items"), []
    count = round(FRAMES / FPS * RATE)
    for id, (_, labels) in bench.videos.items():
        tone = np.sin(2 * np.pi * 300 * (1 + CLASSES.index(labels[0])) * np.arange(count) / RATE)
        noise = np.random.default_rng([2, *id.encode()]).standard_normal(count)
        payload = encode_waveform((8000 * tone + 800 * noise).astype(np.int16), RATE, 0.0)
        digest = hashlib.sha256(payload).hexdigest()
        media = hashlib.sha256(f"{bench.root} {id} sound".encode()).hexdigest()
        items.append(media, payload, {"state": "ok"})
        lines.append({"id": (ids or {}).get(id, id), "media": media, "sound": digest, "count": count, "rate": RATE, "start": 0.0})
    items.flush()
    write_lines(artifact / "sounds.jsonl", lines)


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """And back."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def about(made: Context) -> dict[str, Any]:
    """The ``model.json`` of a trained network."""
    found: dict[str, Any] = json.loads((made.out / "model.json").read_text())
    return found


def files(made: Context) -> dict[str, bytes]:
    """All that a stage wrote."""
    return {path.name: path.read_bytes() for path in sorted(made.out.iterdir())}
