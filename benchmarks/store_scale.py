"""The store at scale: what the light verbs, rows, feature files, publishing and care cost. Figures and their reading: docs/SCALE.md.

    python benchmarks/store_scale.py                      # everything: 100,000 items, 1,000 artifacts; ~30 GB of free disk, ~15 minutes
    python benchmarks/store_scale.py --only verbs care    # parts of it
    python benchmarks/store_scale.py --quick              # all parts, a hundredth of the size

Works in a temporary directory (``--work`` says where; the disk under it is what is measured) and removes it. Prints one JSON object
a part. Times are wall clock, medians; ``cpu`` is user plus system time of the process, which tells more on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("cache", "pipeline", "stages", "systems", "models", "media", "formats", "world", "configs", "benchmarks")
PARTS = ("verbs", "care", "rows", "assemble", "publish")


def main() -> None:
    """Run the parts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size")
    parser.add_argument("--items", type=int, default=0, help="raw files and rows (default 100,000)")
    parser.add_argument("--artifacts", type=int, default=0, help="results in the store (default 1,000)")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--work", type=Path, default=None, help="where the temporary directory is made")
    options = parser.parse_args()
    small = 100 if options.quick else 1
    options.items = options.items or 100_000 // small
    options.artifacts = options.artifacts or 1_000 // small
    work = Path(tempfile.mkdtemp(prefix="kdpipe-scale-", dir=options.work))
    try:
        _show("machine", machine(work))
        house = House(work)
        if {"verbs", "care"} & set(options.only):
            cold = house.call("fill", str(house.raw), options.items, options.artifacts)
            if "verbs" in options.only:
                _show("verbs", {"items": options.items, "artifacts": options.artifacts, **cold, **verbs(house, options.repeat)})
            if "care" in options.only:
                _show("care", care(house))
            shutil.rmtree(house.store)
        if "rows" in options.only:
            for size in (2_000, 200_000):
                _show(f"rows of {size} bytes", house.call("rows", str(work / "rows"), options.items, size))
        if "assemble" in options.only:
            for name, shape, count in (("appearance", [8, 16, 2048], 1_200), ("motion", [8, 2048], 16_000)):
                figures = house.call("assemble", str(work / "assemble"), name, count // small, shape, options.repeat)
                _show(f"assemble {name}", figures)
        if "publish" in options.only:
            _show("publish", house.call("publish", "tiny" if options.quick else "small"))
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class Used:
    """What a process took: wall clock and CPU seconds, peak resident memory."""

    seconds: float
    cpu: float
    rss_mb: float


class House:
    """A copy of the checkout (so that nobody edits it meanwhile), with a store and raw files of its own."""

    def __init__(self, work: Path) -> None:
        self.checkout, self.store, self.raw, self.empty = (work / name for name in ("checkout", "store", "raw", "empty"))
        for name in PACKAGES:
            shutil.copytree(PROJECT / name, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.raw.mkdir()
        self.empty.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KDPIPE_", "PYTHON"))}
        ours = {"KDPIPE_STORE": str(self.store), "DATA_ROOT": str(self.raw), "KDPIPE_DATASET": "folder", "KDPIPE_DEVICE": "cpu"}
        self.environment = {**kept, **ours, "PYTHONPATH": str(self.checkout)}

    def kdpipe(self, *arguments: str) -> Used:
        """Run a command; it must succeed."""
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments], cwd=self.checkout, env=self.environment, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            raise SystemExit(f"kdpipe {' '.join(arguments)} failed")
        return Used(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def call(self, function: str, *arguments: Any) -> dict[str, Any]:
        """Call a function of ``store_parts`` in a process of its own, so that its memory is its own."""
        code = f"import json; from benchmarks import store_parts\nprint(json.dumps(store_parts.{function}(*{list(arguments)!r})))"
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, cwd=self.checkout, env=self.environment
        )
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures


def machine(work: Path) -> dict[str, Any]:
    """What was measured on."""
    model = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": model[0] if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
        "free_gb": round(shutil.disk_usage(work).free / 1e9),
    }


def verbs(house: House, repeat: int) -> dict[str, Any]:
    """The verbs that look, and stages that are fresh, with a warm memo."""
    commands = {
        "status": ["status"],
        "plan": ["plan"],
        "index, fresh": ["run", "index"],
        "sample, fresh": ["run", "sample"],
        "ls": ["ls"],
        "ls --all": ["ls", "--all"],
        "status of an empty folder": ["status", "--data-root", str(house.empty)],
    }
    found = {name: timed(lambda command=command: house.kdpipe(*command), repeat) for name, command in commands.items()}  # type: ignore[misc]
    return {"list and stat alone": house.call("floor", str(house.raw)), **found}


def care(house: House) -> dict[str, Any]:
    """fsck and gc. ``fsck --all`` reads every byte of the rows and the objects."""
    size = sum(path.stat().st_size for room in ("objects", "items") for path in (house.store / room).rglob("*") if path.is_file())
    everything = timed(lambda: house.kdpipe("fsck", "--all"), 3)
    return {
        "store_mb": round(size / 1e6),
        "fsck": timed(lambda: house.kdpipe("fsck"), 3),
        "fsck --all": {**everything, "mb_per_s": round(size / 1e6 / everything["seconds"])},
        "gc, dry run": timed(lambda: house.kdpipe("gc"), 3),
    }


def timed(run: Callable[[], Used], repeat: int) -> dict[str, Any]:
    """Medians over some runs of a command."""
    used = [run() for _ in range(repeat)]
    return {
        "seconds": round(median(u.seconds for u in used), 3),
        "cpu": round(median(u.cpu for u in used), 3),
        "best": round(min(u.seconds for u in used), 3),
        "rss_mb": round(max(u.rss_mb for u in used)),
    }


def _show(part: str, figures: dict[str, Any]) -> None:
    print(json.dumps({part: figures, "at": time.strftime("%H:%M:%S")}, indent=1), flush=True)


if __name__ == "__main__":
    main()
