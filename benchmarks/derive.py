"""Experts of `derive` beside plain PyTorch or the library itself: the same weights and frames, one run, by turns. Reading: docs/DERIVE.md.

    python benchmarks/derive.py                                    # every case
    python benchmarks/derive.py --experts flownet2 raft-small --rows 8 --repeat 3
    python benchmarks/derive.py --experts flownet2 --runtime eager

plain: what a published program does, written again without its dead parts: eager, NCHW, one row at a time, nothing folded or packed,
``--threads`` threads in every operation; of a library, a direct call. ours: the expert of the registry with as many lanes. A row is a
pair of frames or a frame, decoded from PNG by both sides. Weights are random, of one seed: speed does not depend on them. Each side has
a process of its own, and they take turns; getting ready (folding, packing, the gate, a first round) is counted apart, since on a dataset it
happens once. ``ratio`` is the median over the rounds of plain seconds / our seconds. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "benchmarks")]

Array = npt.NDArray[Any]
#: modules beside this one, each with a table ``CASES``: name -> :class:`Case`
MODULES = ("derive_flow", "derive_depth", "derive_pose")
SEED = 0


@dataclass(frozen=True)
class Case:
    """One comparison.

    what:    a row, in words. rows: how many of them -> rows as they are stored, PNG of one or more frames.
    plain:   threads -> the plain side: a row (an array) to numbers that are compared.
    ours:    a plan (:class:`models.inference.infer.Plan`) -> an expert. numbers: its product -> the numbers of the plain side.
    runtime: the fastest of ours that computes in float32 (:mod:`models.inference.runtimes`).
    """

    what: str
    rows: Callable[[int], list[list[bytes]]]
    plain: Callable[[int], Callable[[Array], Array]]
    ours: Callable[[Any], Any]
    numbers: Callable[[Any], Array] = np.asarray
    runtime: str = "eager"


def main() -> None:
    """Each case in two processes that take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", nargs="+", default=None, help="cases; all if none is named")
    parser.add_argument("--rows", type=int, default=16, help="of a round; a multiple of what the lanes take at once")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", default="", help="of ours: eager winograd compile openvino; the case's own if none is named")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(json.loads(options.child))
        return
    known = cases()
    if unknown := set(options.experts or ()) - set(known):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    results = [compare(name, known[name], options) for name in options.experts or known]
    write(json.dumps(results))


def cases() -> dict[str, Case]:
    """All cases by name."""
    found: dict[str, Case] = {}
    for module in MODULES:
        found |= importlib.import_module(module).CASES
    return found


def compare(name: str, case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """Rounds of both sides by turns; says what they took."""
    job = {"case": name, "rows": options.rows, "threads": options.threads, "runtime": options.runtime or case.runtime}
    with tempfile.TemporaryDirectory(prefix="kdpipe-derive-") as work:
        sides = {side: Side({**job, "side": side, "out": f"{work}/{side}.npz"}) for side in ("plain", "ours")}
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(options.repeat):
            for side, process in sides.items():
                seconds[side].append(process.round())
        ends = {side: process.end() for side, process in sides.items()}
        plain, ours = (np.load(f"{work}/{side}.npz") for side in sides)
        differences = [float(np.abs(plain[key] - ours[key]).max() / max(np.abs(plain[key]).max(), 1e-30)) for key in plain.files]
    ratios = [a / b for a, b in zip(seconds["plain"], seconds["ours"], strict=True)]
    result = {
        **job,
        "row": case.what,
        "repeat": options.repeat,
        **{f"{side}_ms_per_row": round(1e3 * median(seconds[side]) / options.rows, 2) for side in sides},
        "ratio": [round(v, 3) for v in (median(ratios), min(ratios), max(ratios))],
        "largest_relative_difference": max(differences),
        **{f"{side}_peak_mb": end["peak_mb"] for side, end in ends.items()},
        **{f"{side}_ready_s": end["ready_s"] for side, end in ends.items()},
    }
    write(
        f"{name} ({case.what}, {job['runtime']}): plain {result['plain_ms_per_row']} ms, ours {result['ours_ms_per_row']} ms, "
        f"{result['ratio'][0]:.2f} times as fast ({result['ratio'][1]:.2f} to {result['ratio'][2]:.2f}); "
        f"peak {result['plain_peak_mb']} and {result['ours_peak_mb']} MB; largest relative difference {max(differences):.1e}"
    )
    return result


def write(line: str) -> None:
    """One line to people."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Side:
    """A process that computes a round when it is told to, bound to as many cores as it has threads."""

    def __init__(self, job: dict[str, Any]) -> None:
        cores = set(sorted(os.sched_getaffinity(0))[: job["threads"]])
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self._answer()  # it is ready

    def round(self) -> float:
        """Seconds of one round."""
        self._tell("round")
        return float(self._answer()["seconds"])

    def end(self) -> dict[str, Any]:
        """What it says in the end; the process is gone."""
        self._tell("end")
        last = self._answer()
        self._process.wait()
        return last

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a side has ended before its time: see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def child(job: dict[str, Any]) -> None:
    """One side: gets ready, then a round for each line that it reads."""
    began = time.perf_counter()
    case = cases()[job["case"]]
    rows = case.rows(job["rows"])
    once = plain(case, rows, job) if job["side"] == "plain" else ours(case, rows, job)
    _, outputs = once()
    ready = round(time.perf_counter() - began, 1)
    np.savez(job["out"], *outputs)
    write("{}")
    for line in sys.stdin:
        if line.strip() == "end":
            write(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "ready_s": ready}))
            return
        write(json.dumps({"seconds": once()[0]}))


Once = Callable[[], tuple[float, list[Array]]]


def plain(case: Case, rows: list[list[bytes]], job: dict[str, Any]) -> Once:
    """Row by row."""
    import torch

    torch.set_num_threads(job["threads"])
    compute = case.plain(job["threads"])

    def once() -> tuple[float, list[Array]]:
        began = time.perf_counter()
        with torch.inference_mode():
            outputs = [compute(decoded(row)) for row in rows]
        return time.perf_counter() - began, outputs

    return once


def ours(case: Case, rows: list[list[bytes]], job: dict[str, Any]) -> Once:
    """By the expert: four rows an item, as a short video has. A call of an expert gets its network ready, which is not counted."""
    from models.inference import infer
    from models.inference.batches import Item

    opening = 0.0

    def timed(name: str) -> None:
        function = getattr(infer, name)

        def wrapped(*args: Any) -> Any:
            nonlocal opening
            began = time.perf_counter()
            try:
                return function(*args)
            finally:
                opening += time.perf_counter() - began

        setattr(infer, name, wrapped)

    timed("prepare")
    timed("admit")
    expert = case.ours(infer.Plan.of("cpu", job["threads"], clips=False, runtime=job["runtime"]))

    def load(first: int) -> Item:
        chosen = rows[first : first + 4]
        return Item(str(first), len(chosen), (decoded(row) for row in chosen))

    def once() -> tuple[float, list[Array]]:
        nonlocal opening
        opening, began = 0.0, time.perf_counter()
        products = [product for _, outputs in expert(list(range(0, len(rows), 4)), load) for product in outputs]
        return time.perf_counter() - began - opening, [case.numbers(product) for product in products]

    return once


def decoded(row: list[bytes]) -> Array:
    """The frames of a row, uint8 RGB: (H, W, 3), or (2, H, W, 3) of a pair."""
    from PIL import Image

    frames = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in row]
    return frames[0] if len(frames) == 1 else np.stack(frames)


def moving(height: int, width: int, frames_of_a_row: int) -> Callable[[int], list[list[bytes]]]:
    """Rows of a smooth texture that moves by a few pixels from frame to frame, for :attr:`Case.rows`."""

    def rows(count: int) -> list[list[bytes]]:
        from PIL import Image

        rng = np.random.default_rng(SEED)
        coarse = Image.fromarray(rng.integers(0, 256, (height // 8 + 16, width // 8 + 16, 3), np.uint8))
        wide = np.asarray(coarse.resize((width + 128, height + 128), Image.Resampling.BICUBIC))

        def steps() -> Iterator[bytes]:
            for n in range(count + frames_of_a_row):
                top, left = int(40 + 30 * np.sin(0.11 * n)), int(40 + 30 * np.cos(0.07 * n))
                stored = io.BytesIO()
                Image.fromarray(wide[top : top + height, left : left + width]).save(stored, "png", compress_level=1)
                yield stored.getvalue()

        frames = list(steps())
        return [frames[n : n + frames_of_a_row] for n in range(count)]

    return rows


if __name__ == "__main__":
    main()
