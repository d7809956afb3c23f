"""The world in the layout of YouTube-8M: frame features of long programmes in official TFRecords, and what goes with them.

    2/frame/{train,validate,test}/train0000.tfrecord ...   rgb 1024, audio 128 bytes a step; the test partition has no labels
    2/video/...                                            the same videos as means of the dequantised frames
    vocabulary.csv                                         labels by falling number of training videos
    yt8m_pca/{mean,eigenvals,eigenvecs}.npy                the whitening of the visual features, for its reversal
    truth/world.json, truth/videos.jsonl                   what is shown when

Features follow the published recipe: network, PCA, whitening, clipping, bytes (:mod:`formats.whitening`, ``quantise``). The
whitening is fitted on programmes that belong to no partition.
"""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.json_files import write_json, write_lines
from cache.stage import Quiet
from formats.tfrecord import RecordWriter
from formats.whitening import Whitening, fit
from formats.youtube8m import AUDIO, HIGH, LOW, RGB, Video, encode_frames, encode_means, quantise
from world.concepts import CONCEPTS, VERTICALS, concepts
from world.descriptors import Eye, describe
from world.layout import ALPHABET
from world.programme import STRIDE, Programme, make_programme
from world.workers import Run, pool

PARTITIONS = ("train", "validate", "test")
#: size -> videos of each partition
SIZES = {"tiny": (16, 8, 4), "small": (240, 80, 20), "medium": (1200, 400, 40), "large": (3000, 800, 200)}
#: programmes that the whitening is fitted on, and from where they are numbered
FITTED = {"tiny": 6, "small": 30, "medium": 48, "large": 48}
FIRST_FITTED = 500_000
SHARD_VIDEOS = 100
#: training videos that a concept needs to become a label
LABEL_VIDEOS = 3
PCA = "yt8m_pca"
COLUMNS = ["Index", "TrainVideoCount", "KnowledgeGraphId", "Name", "WikiUrl", "Vertical1", "Vertical2", "Vertical3", "WikiDescription"]

Progress = Callable[..., Any]


@dataclass(frozen=True)
class Entry:
    """One video: its programme's number, its id and partition, the concepts that it shows."""

    index: int
    id: str
    partition: str
    concepts: tuple[str, ...]


def write_world(out: Path, size: str, seed: int, workers: int, progress: Progress = Quiet) -> None:
    """Write the world of ``size`` with ``seed`` below ``out``; the same bytes whatever ``workers``."""
    with pool(workers) as run:
        entries = _entries(seed, size, list(run(_shown, [(seed, index) for index in range(sum(SIZES[size]))])))
        labels = _vocabulary(out, entries)
        _fit(out, seed, size, run, progress)
        _write_shards(out, seed, entries, labels, run, progress)
    _write_truth(out, seed, size, entries)


def _shown(job: tuple[int, int]) -> tuple[str, ...]:
    return tuple(concepts(make_programme(*job)))


def _entries(seed: int, size: str, shown: list[tuple[str, ...]]) -> list[Entry]:
    """Ids of four characters, as the published ones, and partitions, in order."""
    rng = np.random.default_rng([seed, 11])
    partitions = [name for name, count in zip(PARTITIONS, SIZES[size]) for _ in range(count)]
    ids: dict[str, None] = {}
    letters = ALPHABET[:62]
    while len(ids) < len(shown):
        ids["".join(letters[k] for k in rng.integers(62, size=4))] = None
    return [Entry(n, id, partition, names) for n, (id, partition, names) in enumerate(zip(ids, partitions, shown))]


def _vocabulary(out: Path, entries: list[Entry]) -> dict[str, int]:
    """Write ``vocabulary.csv``; returns concept -> label."""
    counts = Counter(name for entry in entries if entry.partition == "train" for name in entry.concepts)
    kept = sorted((name for name in CONCEPTS if counts[name] >= LABEL_VIDEOS), key=lambda name: -counts[name])
    with (out / "vocabulary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for label, name in enumerate(kept):
            text = f"{counts[name]} of the training videos show it."
            writer.writerow([label, counts[name], f"/w/{CONCEPTS.index(name):04d}", name, "", VERTICALS[name], "", "", text])
    return {name: label for label, name in enumerate(kept)}


def _fit(out: Path, seed: int, size: str, run: Run, progress: Progress) -> None:
    """Fit the whitening of sight and hearing, and keep both."""
    jobs = [(seed, FIRST_FITTED + n) for n in range(FITTED[size])]
    sight, hearing = [], []
    with progress("fit the whitening", total=len(jobs)) as bar:
        for seen, heard in run(_described, jobs):
            sight.append(seen)
            hearing.append(heard)
            bar.step()
    (out / PCA).mkdir(parents=True)
    fit(np.concatenate(sight), RGB).save(out / PCA)
    fit(np.concatenate(hearing), AUDIO).save(out / PCA, "audio_")


@functools.cache
def _eye() -> Eye:
    return Eye()


@functools.cache
def _whitenings(out: str) -> tuple[Whitening, Whitening]:
    return Whitening.load(Path(out) / PCA, RGB), Whitening.load(Path(out) / PCA, AUDIO, "audio_")


def _described(job: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    seed, index = job
    return describe(make_programme(seed, index), seed, _eye())


def _records(job: tuple[str, int, int, str, list[int]]) -> tuple[bytes, bytes]:
    """The frame-level and the video-level record of one video."""
    out, seed, index, id, labels = job
    seen, heard = _described((seed, index))
    rgb, audio = (quantise(whiten(rows)) for whiten, rows in zip(_whitenings(out), (seen, heard)))
    video = Video(id, np.array(labels, np.int64), rgb, audio)
    return encode_frames(video), encode_means(Video(id, video.labels, _mean(rgb), _mean(audio)))


def _mean(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The mean (1, width) of dequantised rows."""
    step = (HIGH - LOW) / 255
    mean: npt.NDArray[np.float32] = (rows.mean(0, keepdims=True) * step + (HIGH - LOW) / 512 + LOW).astype(np.float32)
    return mean


def _write_shards(out: Path, seed: int, entries: list[Entry], labels: dict[str, int], run: Run, progress: Progress) -> None:
    def job(entry: Entry) -> tuple[str, int, int, str, list[int]]:
        known = [labels[name] for name in entry.concepts if name in labels and entry.partition != "test"]
        return str(out), seed, entry.index, entry.id, sorted(known)

    results = run(_records, map(job, entries))
    with progress("draw the programmes", total=len(entries)) as bar:
        for partition in PARTITIONS:
            for level in ("frame", "video"):
                (out / "2" / level / partition).mkdir(parents=True)
            count = sum(entry.partition == partition for entry in entries)
            for shard in range(-(-count // SHARD_VIDEOS)):
                name = f"{partition}/{partition}{shard:04d}.tfrecord"
                with RecordWriter(out / "2" / "frame" / name) as frames, RecordWriter(out / "2" / "video" / name) as means:
                    for _ in range(min(SHARD_VIDEOS, count - shard * SHARD_VIDEOS)):
                        frame, mean = next(results)
                        frames.write(frame)
                        means.write(mean)
                        bar.step()


def _write_truth(out: Path, seed: int, size: str, entries: list[Entry]) -> None:
    (out / "truth").mkdir()
    world = {"layout": "yt8m", "size": size, "seed": seed, "stride": STRIDE}
    write_json(out / "truth" / "world.json", world)
    write_lines(out / "truth" / "videos.jsonl", (_truth(entry, make_programme(seed, entry.index)) for entry in entries))


def _truth(entry: Entry, programme: Programme) -> dict[str, Any]:
    shots = [
        {
            "steps": shot.steps,
            "first": shot.first,
            "main": shot.main,
            "scene": shot.plan.scene,
            "night": shot.plan.night,
            "people": [actor.kind for actor in shot.plan.actors],
            "actions": [[[s.action, s.start, s.end] for s in actor.segments] for actor in shot.plan.actors],
        }
        for shot in programme.shots
    ]
    return {"id": entry.id, "partition": entry.partition, "theme": programme.theme, "concepts": list(entry.concepts), "shots": shots}
