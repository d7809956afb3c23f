"""What a set of sounds of the size of ESC-50 costs: indexed, its sound sampled, and both judged again. Read in docs/DATASETS.md.

    python benchmarks/sounds.py [--sounds 2000] [--workers 2] [--work DIR]

Writes that many WAV files of 5 s at 44.1 kHz (0.44 MB each, no two alike) with a table in the layout of ESC-50, and runs the nodes
``index`` and ``sample.audio`` (16 kHz) on an empty store; then both once more, which computes nothing. Prints one JSON object: seconds
of wall clock, and milliseconds of processor time that a worker takes for one file, which tells more on a busy machine. Files lie in a
temporary directory (``--work`` says where), which is removed.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cache.digest import digest_file
from cache.store import Store
from pipeline.config import Config
from pipeline.graph import Graph
from pipeline.judge import Judge
from pipeline.runner import Options, run_node
from pipeline.shared import Shared
from stages.sample import SampleParams
from stages.sample.worker import Job, sample_video

RATE, SECONDS, CLASSES = 44_100, 5, 50


def write_set(root: Path, number: int) -> None:
    """Noise that differs from file to file, and the table."""
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    random = np.random.default_rng(0)
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for place in range(number):
        target, fold = place % CLASSES, place // CLASSES % 5 + 1
        name = f"{fold}-{place}-A-{target}.wav"
        with wave.open(str(root / "audio" / name), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(random.integers(-3000, 3000, RATE * SECONDS, np.int16).tobytes())
        rows.append(f"{name},{fold},{target},kind {target},False,{place},A")
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def graph_of(root: Path) -> Graph:
    """The two nodes on that directory."""
    config = Config("esc50", "videoqa", root=root)
    shared = Shared(config)
    shared("sample", "audio", policy="audio")
    return Graph(config, shared.nodes)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of wall clock that it takes."""
    start = time.perf_counter()
    work()
    return round(time.perf_counter() - start, 2)


def of_one(root: Path, files: int = 50) -> float:
    """Milliseconds of processor time for a file, in this process."""
    paths = sorted((root / "audio").iterdir())[: files + 1]
    jobs = [Job(str(path), digest_file(path), SampleParams(policy="audio")) for path in paths]
    sample_video(jobs[0])  # loads FFmpeg
    start = time.process_time()
    for job in jobs[1:]:
        sample_video(job)
    return round(1000 * (time.process_time() - start) / max(1, len(jobs) - 1), 2)


def main() -> None:
    """Write the set and run the nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=None, help="where the temporary directory is made")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="kdpipe-sounds-", dir=options.work))
    try:
        write_set(work / "data", options.sounds)
        graph, store = graph_of(work / "data"), Store(work / "store")
        figures: dict[str, Any] = {"machine": platform.machine(), "sounds": options.sounds, "workers": options.workers}
        for again in ("", " again"):
            for name in graph.nodes:
                judge = Judge(store, graph, device="cpu", read_files=True)
                how = Options(workers=options.workers)
                figures[name + again] = timed(lambda judge=judge, name=name, how=how: run_node(judge, name, how))  # type: ignore[misc]
        print(json.dumps({**figures, "ms of processor a file": of_one(work / "data")}))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
