"""Our reader of YouTube-8M records beside ``tfrecord`` (PyPI) and TensorFlow, by turns.

    python benchmarks/records.py [--videos 500] [--rounds 7] [--json FILE]

Writes one shard of the published shape (120 to 300 frames of 1024 + 128 bytes) and reads it in a loop with each reader that is
installed: every video to two arrays (T, 1024), (T, 128), its labels and its id. Medians of the rounds in videos and megabytes a
second of wall clock and of processor time (all threads), and the latter beside ours. Ours verifies both checksums, and so does
TensorFlow; ``tfrecord`` verifies none. ``ours, no parsing`` and ``file`` (reading the bytes alone) show what is left to gain. The file
comes from the page cache: processors are compared, not disks. The two others cannot be loaded into one process: each has one of its
own, in which ours takes turns with it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from formats.tfrecord import RecordWriter, read_records
from formats.youtube8m import AUDIO, RGB, Video, encode_frames, parse_frames

Arrays = tuple[Any, Any, Any, Any]


def write(path: Path, videos: int) -> None:
    """A shard of random features."""
    rng = np.random.default_rng(0)
    with RecordWriter(path) as writer:
        for number in range(videos):
            length = int(rng.integers(120, 301))
            rgb, audio = (rng.integers(0, 256, (length, width), np.uint8) for width in (RGB, AUDIO))
            labels = np.unique(rng.integers(0, 3862, 3))
            writer.write(encode_frames(Video(f"{number:04x}", labels, rgb, audio)))


def ours(path: Path) -> Iterator[Arrays]:
    for record in read_records(path):
        video = parse_frames(record.data)
        yield video.id, video.labels, video.rgb, video.audio


def unparsed(path: Path) -> Iterator[Any]:
    yield from read_records(path)


def plain(path: Path) -> Iterator[Any]:
    with path.open("rb", buffering=0) as file:
        while data := file.read(1 << 20):
            yield data


def pypi(path: Path) -> Iterator[Arrays]:
    from tfrecord.reader import sequence_loader

    about = {"id": "byte", "labels": "int"}
    for context, steps in sequence_loader(str(path), None, about, {"rgb": "byte", "audio": "byte"}):
        rgb, audio = (np.frombuffer(b"".join(steps[name]), np.uint8).reshape(-1, width) for name, width in (("rgb", RGB), ("audio", AUDIO)))
        yield context["id"], context["labels"], rgb, audio


def tensorflow(path: Path) -> Iterator[Arrays]:
    import tensorflow as tf

    context = {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
    lists = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in ("rgb", "audio")}

    def parse(data: Any) -> Any:
        about, steps = tf.io.parse_single_sequence_example(data, context, lists)
        return about["id"], about["labels"].values, *(tf.io.decode_raw(steps[name], tf.uint8) for name in ("rgb", "audio"))

    yield from tf.data.TFRecordDataset(str(path)).map(parse).as_numpy_iterator()


Reader = Callable[[Path], Iterator[Any]]
#: package -> what it is called here, and its reader
OTHERS: dict[str, tuple[str, Reader]] = {
    "tfrecord": ("tfrecord (PyPI), checksums not verified", pypi),
    "tensorflow": ("TensorFlow", tensorflow),
    "": ("ours, no parsing", unparsed),
}


def agree(path: Path, reader: Callable[[Path], Iterator[Arrays]]) -> None:
    """Raise AssertionError if a reader does not see what ours sees."""
    for mine, theirs in zip(ours(path), reader(path), strict=True):
        id = theirs[0] if isinstance(theirs[0], bytes) else bytes(theirs[0])
        assert id.decode() == mine[0]
        assert all(np.array_equal(a, b) for a, b in zip(mine[1:], theirs[1:], strict=True))


def measure(path: Path, videos: int, rounds: int, package: str) -> dict[str, dict[str, float]]:
    """Ours and the reader of one package, by turns."""
    name, other = OTHERS[package]
    if package:
        agree(path, other)
    readers: dict[str, Reader] = {"ours": ours, name: other, **({} if package else {"file": plain})}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, read in readers.items():
            wall, processor = time.perf_counter(), time.process_time()
            for _ in read(path):
                pass
            taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
    size = path.stat().st_size / 1e6
    medians = {name: [statistics.median(column) for column in zip(*values)] for name, values in taken.items()}
    return {
        name: {
            "videos/s": round(videos / wall),
            "MB/s": round(size / wall),
            "videos per processor second": round(videos / processor),
            "x the processor time of ours": round(processor / medians["ours"][1], 2),
        }
        for name, (wall, processor) in medians.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, metavar=("SHARD", "PACKAGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(Path(options.child[0]), options.videos, options.rounds, options.child[1])))
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train0000.tfrecord"
        write(path, options.videos)
        for package in OTHERS:
            if not package or importlib.util.find_spec(package):
                again = ["--videos", str(options.videos), "--rounds", str(options.rounds), "--child", str(path), package]
                child = subprocess.run([sys.executable, __file__, *again], stdout=subprocess.PIPE, check=True, text=True)
                found[package or "neither"] = json.loads(child.stdout.splitlines()[-1])
    for figures_of in found.values():
        for name, figures in figures_of.items():
            print(f"{name:42}", *(f"{value:>10,} {unit}" for unit, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
