"""Experts against the truth: how far flow, depth and skeletons are off on a drawn world, beside a trivial baseline each.

    python benchmarks/derive_quality.py                                    # 40 videos of the small world of seed 0
    python benchmarks/derive_quality.py --layout ucf101 --size tiny --seed 3 --videos 16
    python benchmarks/derive_quality.py --experts dis farneback --frames 4 --refine 20
    python benchmarks/derive_quality.py --root /data/world                 # a world that is drawn already

Frames are decoded from the encoded videos, as `kdpipe sample` does, and go through the registry of experts as `kdpipe derive` calls it.
Only experts that need no download are measured: tvl1, dis, farneback (extra kdpipe[flow]), small-depth, small-pose.

flow      EPE: the mean over pixels of the length of the error, in pixels: over all of them; over those whose flow is known
          (world.known: nothing that one looks through is drawn over them, they stay in the picture and are not covered); over those
          that are known and move by at least a pixel, and that do not move (by less than a tenth). Baseline: zero flow.
          ``--refine N`` measures each expert a second time, with N iterations of refinement (derive.flow.refine).
depth     abs_rel: the mean over pixels of |depth - truth| / truth. Baselines: one depth everywhere, the median of all truth here, and
          the one that has the least abs_rel of all.
skeleton  PCK@0.1: the share of seen joints that are off by at most 0.1 of the larger side of the person's true box. People are matched
          by their boxes (IoU at least 0.3, the assignment with the largest sum). ``pck`` is over matched people; ``pck_all`` counts joints
          of people who were not found as wrong; ``found`` is the share of people who were. Baseline: the mean pose of all people here,
          put into the true box, so that everybody is found.

Numbers are means over videos with their 95 % interval (Student's t); ``better`` is the (better) baseline's minus the expert's, video by
video (pck: the other way round). Prints a table in markdown, and one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

Floats = npt.NDArray[np.float64]
EXPERTS = {"tvl1": "flow", "dis": "flow", "farneback": "flow", "small-depth": "depth", "small-pose": "skeleton"}
METRICS = {"flow": ("epe", "epe_known", "epe_moving", "epe_still"), "depth": ("abs_rel",), "skeleton": ("pck", "pck_all", "found")}
UNITS = {
    "epe": "EPE, px",
    "epe_known": "where it is known",
    "epe_moving": "… and moves by a pixel",
    "epe_still": "… and stands still",
    "abs_rel": "abs_rel",
    "pck": "PCK@0.1",
    "pck_all": "PCK@0.1 of all people",
    "found": "people found",
}
#: share of a box that a joint may be off; least IoU of a match; pixels that count as motion from, as none below
REACH, OVERLAP, MOVES, STILL = 0.1, 0.3, 1.0, 0.1


@dataclass
class Clip:
    """One video: its measured frames, the frames after them, and the truth of each."""

    id: str
    frames: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    pairs: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    flow: list[npt.NDArray[np.float32]] = field(default_factory=list)
    known: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    depth: list[npt.NDArray[np.float32]] = field(default_factory=list)
    people: list[tuple[Floats, npt.NDArray[np.bool_]]] = field(default_factory=list)


def main() -> None:
    """Draw a world unless there is one, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", default="msvd-qa", help="of the world (kdpipe world --layout)")
    parser.add_argument("--size", default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--root", type=Path, default=None, help="a world that is drawn already")
    parser.add_argument("--videos", type=int, default=40, help="how many, at even places")
    parser.add_argument("--frames", type=int, default=3, help="of each video, at even places")
    parser.add_argument("--experts", nargs="+", choices=EXPERTS, default=list(EXPERTS))
    parser.add_argument("--refine", type=int, default=0, help="measure flow experts with so many iterations of refinement, too")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdpipe-derive-quality-") as work:
        root = options.root or Path(work) / "world"
        if options.root is None:
            from world.generate import generate

            generate(root, options.layout, options.size, options.seed, options.threads)
        clips = list(read_world(root, options.videos, options.frames, {EXPERTS[name] for name in options.experts}))
        about = json.loads((root / "truth" / "world.json").read_text(encoding="utf-8"))
    report(clips, options, about)


def report(clips: list[Clip], options: argparse.Namespace, about: dict[str, Any]) -> None:
    """Measure every expert and print what came out."""
    rows: list[dict[str, Any]] = []
    absent = {}
    for kind in dict.fromkeys(EXPERTS[name] for name in options.experts):
        trivial = {name: measured(kind, clips, outputs) for name, outputs in baselines(kind, clips).items()}
        zero = list(trivial.values())[-1]
        rows += [row(name, kind, values, zero) for name, values in trivial.items()]
        settings = (0, options.refine) if kind == "flow" and options.refine else (0,)
        for name, refine in [(name, refine) for name in options.experts if EXPERTS[name] == kind for refine in settings]:
            run, why = prepared(name, clips[0], options.threads, refine)
            if run is None:
                absent[name] = why
                continue
            began = time.perf_counter()
            outputs = [run(clip) for clip in clips]
            seconds = (time.perf_counter() - began) / sum(len(clip.frames) for clip in clips)
            told = f"{name}, refine {refine}" if refine else name
            rows.append({**row(told, kind, measured(kind, clips, outputs), zero), "ms_each": round(1000 * seconds, 2)})
    print_table(rows)
    for name, why in absent.items():
        print(f"\n{name}: not measured: {why}")
    shares = flow_shares(clips)
    if shares:
        print("\nPixels of flow: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    told = {"world": about, "videos": len(clips), "frames": sum(len(clip.frames) for clip in clips), "threads": options.threads}
    print(json.dumps({**told, "shares": shares, "rows": rows, "absent": absent}, sort_keys=True))


# -- the world --------------------------------------------------------------------------------------------------------


def read_world(root: Path, videos: int, frames: int, kinds: set[str]) -> Iterator[Clip]:
    """The clips of a world, with the truth of the ``kinds`` that are measured."""
    from world import truth

    rows = list(truth.videos(root))
    for place in np.unique(np.linspace(0, len(rows) - 1, min(videos, len(rows))).round().astype(int)):
        clip = read_clip(root, rows[place], frames, kinds)
        if clip.frames:
            yield clip


def read_clip(root: Path, row: dict[str, Any], frames: int, kinds: set[str]) -> Clip:
    """Some frames of a video, decoded, and their truth: flow to the next frame, depth, joints and which of them are seen."""
    from media.decode import read_frames
    from world import dense, truth
    from world.known import known

    film = truth.film(row)
    wanted = np.unique(np.linspace(0, film.plan.frames - 2, frames).round().astype(int)).tolist()
    images = {one.number: one.image for one in read_frames(root / row["path"], {*wanted, *(t + 1 for t in wanted)})}
    with np.load(root / "truth" / f"{row['id']}.npz") as stored:
        joints, visible = stored["keypoints"].astype(np.float64), stored["visible"]
    clip = Clip(str(row["id"]))
    for t in [t for t in wanted if t in images and t + 1 in images]:
        clip.frames.append(images[t])
        clip.pairs.append(np.stack([images[t], images[t + 1]]))
        if "flow" in kinds:
            clip.flow.append(dense.flow(film, t))
            clip.known.append(known(film, t))
        if "depth" in kinds:
            clip.depth.append(dense.depth(film, t))
        if "skeleton" in kinds:
            shown = [actor for actor in range(len(joints)) if (visible[actor, t] == 2).any()]
            clip.people.append((joints[shown, t], visible[shown, t] == 2))
    return clip


# -- the experts ------------------------------------------------------------------------------------------------------


def prepared(name: str, clip: Clip, threads: int, refine: int = 0) -> tuple[Callable[[Clip], list[Any]] | None, str]:
    """What gives the products of a clip's frames, or why there is nothing."""
    from cache.errors import KdpipeError
    from models.experts import weights as table
    from models.experts.registry import EXPERTS as KNOWN
    from models.experts.registry import build
    from models.experts.running import Setup
    from models.inference.batches import Item
    from models.inference.infer import Plan

    if name not in KNOWN:
        return None, "it is not in the registry of experts"
    entry = KNOWN[name]
    height, width, _ = clip.frames[0].shape
    found = table.WEIGHTS.get(f"{name}.{entry.weights}")
    file = found.path if found is not None else None
    cores = min(threads, os.cpu_count() or 1)
    try:
        expert = build(name, Setup(height, width, Plan.of("cpu", cores, clips=entry.kind == "flow"), file, options={"refine": refine}))
    except KdpipeError as error:
        return None, str(error)

    def run(one: Clip) -> list[Any]:
        rows = one.pairs if entry.kind == "flow" else one.frames
        ((_, products),) = expert([one], lambda job: Item(job.id, len(rows), rows))
        return products

    return run, ""


# -- what is measured -------------------------------------------------------------------------------------------------


def measured(kind: str, clips: list[Clip], outputs: list[list[Any]]) -> dict[str, list[float]]:
    """Metric -> its value of every clip (NaN where nothing can be measured, a clip without people say)."""
    measure = {"flow": flows, "depth": depths, "skeleton": skeletons}[kind]
    counted = [measure(clip, out) for clip, out in zip(clips, outputs, strict=True)]
    return {name: [one[name] for one in counted] for name in METRICS[kind]}


def flows(clip: Clip, frames: list[Any]) -> dict[str, float]:
    """The mean length of the error in pixels, over all pixels of a clip, those that are known, and of these those that move or do not."""
    truth = np.stack(clip.flow).astype(np.float64)
    error, motion = (np.linalg.norm(vectors, axis=-1) for vectors in (truth - np.stack(frames), truth))
    known = np.stack(clip.known)
    over = (np.ones_like(known), known, known & (motion >= MOVES), known & (motion < STILL))
    return {name: float(error[pixels].mean()) if pixels.any() else np.nan for name, pixels in zip(METRICS["flow"], over, strict=True)}


def flow_shares(clips: list[Clip]) -> dict[str, float]:
    """Which share of all pixels is known, and of all moves and does not; nothing if flow is not measured."""
    if not any(clip.flow for clip in clips):
        return {}
    motion = np.concatenate([np.linalg.norm(flow, axis=-1) for clip in clips for flow in clip.flow])
    known = np.concatenate([one for clip in clips for one in clip.known])
    return {
        "known": float(known.mean()),
        "known and moving": float((known & (motion >= MOVES)).mean()),
        "known and still": float((known & (motion < STILL)).mean()),
    }


def depths(clip: Clip, frames: list[Any]) -> dict[str, float]:
    """The mean of the absolute error over the truth."""
    truth = np.stack(clip.depth).astype(np.float64)
    return {"abs_rel": float((np.abs(truth - np.stack(frames)) / truth).mean())}


def skeletons(clip: Clip, frames: list[Any]) -> dict[str, float]:
    """PCK over matched people and over all, and the share of people who were found, of one clip."""
    right = matched = seen_all = people = found = 0
    for (joints, seen), out in zip(clip.people, frames, strict=True):
        partner = match(np.array([box_of(person) for person in joints]).reshape(-1, 4), np.asarray(out.boxes, np.float64).reshape(-1, 4))
        for number, (person, visible) in enumerate(zip(joints, seen, strict=True)):
            people += 1
            seen_all += int(visible.sum())
            if number in partner:
                found += 1
                matched += int(visible.sum())
                right += correct(person, visible, np.asarray(out.keypoints, np.float64)[partner[number], :, :2])
    share = [value / count if count else np.nan for value, count in ((right, matched), (right, seen_all), (found, people))]
    return dict(zip(METRICS["skeleton"], map(float, share), strict=True))


def correct(person: Floats, visible: npt.NDArray[np.bool_], pose: Floats) -> int:
    """How many seen joints are within reach of the truth."""
    reach = REACH * max(box_of(person)[2:])
    return int((np.linalg.norm(person - pose, axis=-1) <= reach)[visible].sum())


def box_of(person: Floats) -> Floats:
    """x, y, width, height of what holds all joints."""
    low, high = person.min(0), person.max(0)
    return np.concatenate([low, high - low])


def match(truth: Floats, found: Floats) -> dict[int, int]:
    """True person -> found person: the assignment with the largest sum of IoU, without pairs that overlap too little."""
    from scipy.optimize import linear_sum_assignment

    low = np.maximum(truth[:, None, :2], found[None, :, :2])
    high = np.minimum((truth[:, :2] + truth[:, 2:])[:, None], (found[:, :2] + found[:, 2:])[None])
    both = np.clip(high - low, 0, None).prod(-1)
    overlap = both / np.maximum(truth[:, None, 2:].prod(-1) + found[None, :, 2:].prod(-1) - both, 1e-9)
    return {int(t): int(f) for t, f in zip(*linear_sum_assignment(-overlap), strict=True) if overlap[t, f] >= OVERLAP}


def baselines(kind: str, clips: list[Clip]) -> dict[str, list[list[Any]]]:
    """Name -> the products of what anybody can say without looking; the hardest to beat is the last."""
    if kind == "flow":
        return {"zero flow": [[np.zeros_like(flow) for flow in clip.flow] for clip in clips]}
    if kind == "depth":
        truth = np.sort(np.concatenate([depth.ravel() for clip in clips for depth in clip.depth]).astype(np.float64))
        weight = np.cumsum(1 / truth)
        values = {"median depth": np.median(truth), "best constant depth": truth[np.searchsorted(weight, weight[-1] / 2)]}
        return {name: [[np.full_like(depth, value) for depth in clip.depth] for clip in clips] for name, value in values.items()}
    boxed = [(person, box_of(person)) for clip in clips for joints, _ in clip.people for person in joints]
    mean = np.mean([(person - box[:2]) / np.maximum(box[2:], 1e-9) for person, box in boxed], axis=0)
    return {"mean pose, true box": [[_Put(mean, joints) for joints, _ in clip.people] for clip in clips]}


class _Put:
    """A pose in the true boxes, as an expert gives people."""

    def __init__(self, pose: Floats, joints: Floats) -> None:
        self.boxes = np.array([box_of(person) for person in joints]).reshape(-1, 4)
        placed = self.boxes[:, None, :2] + pose * self.boxes[:, None, 2:]
        self.keypoints = np.concatenate([placed, np.ones((*placed.shape[:2], 1))], axis=2)


# -- what is told -----------------------------------------------------------------------------------------------------


def row(name: str, kind: str, values: dict[str, list[float]], zero: dict[str, list[float]]) -> dict[str, Any]:
    """One line of the table: of every metric mean and half width of the interval, and how much better than the baseline."""
    from models.evaluation.statistics import interval, paired

    told: dict[str, Any] = {"name": name, "kind": kind}
    for metric, found in values.items():
        here = [k for k, value in enumerate(found) if np.isfinite(value) and np.isfinite(zero[metric][k])]
        mine, base = [found[k] for k in here], [zero[metric][k] for k in here]
        over = interval(mine)
        more = paired(mine, base) if kind == "skeleton" else paired(base, mine)
        told[metric] = {"mean": over.mean, "half": over.half, "videos": over.n, "better": more.mean, "better_half": more.half}
    return told


def print_table(rows: list[dict[str, Any]]) -> None:
    """The rows, as markdown, a table a modality; in brackets how much better than the baseline, video by video."""
    for kind, metrics in METRICS.items():
        mine = [one for one in rows if one["kind"] == kind]
        if not mine:
            continue
        print(f"\n| {kind} | " + " | ".join(f"{UNITS[name]} (better by)" for name in metrics) + " | ms each |")
        print("| --- |" + " --- |" * (len(metrics) + 1))
        for one in mine:
            trivial = "ms_each" not in one
            cells = [_cell(one[name], trivial) for name in metrics]
            print(f"| {one['name']} | " + " | ".join(cells) + f" | {'-' if trivial else one['ms_each']} |")


def _cell(value: dict[str, float], trivial: bool) -> str:
    text = f"{value['mean']:.3f} ± {value['half']:.3f}"
    return text if trivial else f"{text} ({value['better']:+.3f} ± {value['better_half']:.3f})"


if __name__ == "__main__":
    main()
