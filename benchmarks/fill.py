"""Many processes that fill one stage: what a fill costs beside the work, what a plan costs, what a second process brings.

    python benchmarks/fill.py                             # everything
    python benchmarks/fill.py --only plan --items 1000000
    python benchmarks/fill.py --only extract --shards 4   # a quarter of an hour; needs the cores that it is to measure

Prints one JSON object a part. ``docs/SCALE.md`` has the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

PARTS = ("plan", "rows", "extract")


def main() -> None:
    """Run the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--items", type=int, default=1_000_000, help="videos of the simulated index")
    parser.add_argument("--shards", type=int, default=0, help="1,000 for the plan, 4 for extract")
    parser.add_argument("--size", default="large", help="of the world whose motion is extracted: tiny, small ...")
    parser.add_argument("--clips", type=int, default=24, help="clips a video: processes that take seconds to start need minutes of work")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="kdpipe-fill-"))
    try:
        if "plan" in options.only:
            show("plan", plan(work, options.items, options.shards or 1000))
        if "rows" in options.only:
            show("rows", rows(work, options.rows, options.repeat))
        if "extract" in options.only:
            show("extract", extract(work, options.shards or 4, options.size, options.clips))
    finally:
        shutil.rmtree(work)


def show(part: str, found: dict[str, Any]) -> None:
    """Print one part."""
    print(json.dumps({"part": part, "load": os.getloadavg()[0], **found}))


def plan(work: Path, items: int, shards: int) -> dict[str, Any]:
    """What a survey of the real ``sample`` stage over a simulated index costs, and the cutting into shards."""
    from cache.ledger import Ledger
    from cache.part import Filled, Survey
    from cache.stage import Context, Quiet
    from pipeline.filling import Lacking
    from stages.sample import SampleParams
    from stages.sample.run import run

    index, out = work / "index", work / "out"
    index.mkdir()
    out.mkdir()
    with (index / "media.jsonl").open("w") as file:
        for n in range(items):
            digest = hashlib.sha256(str(n).encode()).hexdigest()
            line = {"digest": digest, "id": f"vid{n:07d}", "path": f"videos/{n % 1000:03d}/vid{n:07d}.mp4", "splits": ["train"]}
            file.write(json.dumps(line) + "\n")
    began, before = time.perf_counter(), time.process_time()
    survey = Survey(work / "items")
    try:
        run(Context(SampleParams(), out, work, Ledger(), Quiet, inputs={"index": index}, items=survey))
    except Filled:
        counts = Lacking(len(survey.wanted), survey.todo).shards(shards)
    spent = {"seconds": round(time.perf_counter() - began, 2), "cpu": round(time.process_time() - before, 2)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"items": items, "shards": shards, **spent, "peak_mb": peak, "smallest": min(counts), "largest": max(counts)}


def rows(work: Path, count: int, repeat: int) -> dict[str, Any]:
    """Milliseconds a row that a part asks for, makes and flushes more than a whole set does."""
    from cache.items import ItemSet
    from cache.part import Part, Shard

    keys = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]

    def timed(make: Callable[[Path], ItemSet]) -> float:
        place = work / "set"
        began = time.process_time()
        items = make(place)
        for n, key in enumerate(keys):
            if key not in items:
                items.append(key, b"x" * 2000, {"state": "ok"})
            if n % 16 == 15:
                items.flush()
        items.flush()
        spent = time.process_time() - began
        shutil.rmtree(place)
        return spent / count * 1000

    found = [(timed(ItemSet), timed(lambda place: Part(place, shard=Shard(1, 1)))) for _ in range(repeat)]
    whole, part = (median(one[n] for one in found) for n in (0, 1))
    return {"rows": count, "run_ms": round(whole, 4), "fill_ms": round(part, 4), "overhead_ms": round(part - whole, 4)}


def extract(work: Path, shards: int, size: str, clips: int) -> dict[str, Any]:
    """``extract.motion`` of the drawn world with the small network: one worker on one core, then an executor of so many processes on all.

    A worker reads ahead beside its computing, which makes 1.08 cores of it where it may take them.
    """
    store = {**os.environ, "KDPIPE_STORE": str(work / "store"), "KDPIPE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    kdpipe = [sys.executable, "-m", "pipeline"]
    said = ["--dataset", "tiny", "--set", f"world.size={size}", "--set", f"sample.num_clips={clips}"]

    cores = sorted(os.sched_getaffinity(0))

    def timed(*words: str, use: int = len(cores)) -> float:
        os.sched_setaffinity(0, cores[:use])  # which the process takes over
        began = time.perf_counter()
        subprocess.run([*kdpipe, *words, *said], env=store, cwd=PROJECT, check=True, capture_output=True)
        return round(time.perf_counter() - began, 2)

    timed("run", "sample")
    one = timed("run", "extract.motion", "--workers", "1", use=1)
    shutil.rmtree(work / "store" / "items" / "extract")
    for path in (work / "store" / "actions").rglob("*.json"):
        if json.loads(path.read_text())["record"]["node"] == "extract.motion":
            path.unlink()
    many = timed("run", "extract.motion", "--executor", "local", "--shards", str(shards), "--workers", str(len(cores)))
    return {
        "size": size,
        "clips": clips,
        "one_worker_s": one,
        "shards": shards,
        "shards_s": many,
        "speed": round(one / many, 2),
        "cores": len(cores),
    }


if __name__ == "__main__":
    main()
