"""Experts against the truth: how far flow, depth and skeletons are off on a drawn world, beside a trivial baseline each.

    python benchmarks/derive_quality.py                                    # 40 videos of the small world of seed 0
    python benchmarks/derive_quality.py --layout ucf101 --size tiny --seed 3 --videos 16
    python benchmarks/derive_quality.py --experts dis farneback --frames 4 --refine 20
    python benchmarks/derive_quality.py --root /data/world                 # a world that is drawn already

Frames are decoded from the encoded videos, as `kdpipe sample` does, and go through the registry of experts as `kdpipe derive` calls it.
Only experts that need no download are measured: tvl1, dis, farneback (extra kdpipe[flow]), small-flow, small-depth,
small-pose.

flow      EPE: the mean over pixels of the length of the error, in pixels: over all of them; over those whose flow is known
          (world.known: nothing that one looks through is drawn over them, they stay in the picture and are not covered); over those
          that are known and move by at least a pixel. Baseline: zero flow. A second table says where the error is, and how much of the
          mean over all pixels each place makes. ``--refine N`` measures each classical one a second time, with N iterations of refinement
          (derive.flow.refine); ``--drawn`` takes the frames before they were encoded, which says what compression costs.
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
CLASSICAL = ("tvl1", "dis", "farneback")
EXPERTS = {**dict.fromkeys(CLASSICAL, "flow"), "small-flow": "flow", "small-depth": "depth", "small-pose": "skeleton"}
METRICS = {"flow": ("epe", "epe_known", "epe_moving"), "depth": ("abs_rel",), "skeleton": ("pck", "pck_all", "found")}
UNITS = {
    "epe": "EPE, px",
    "epe_known": "where it is known",
    "epe_moving": "… and moves by a pixel",
    "abs_rel": "abs_rel",
    "pck": "PCK@0.1",
    "pck_all": "PCK@0.1 of all people",
    "found": "people found",
}
#: share of a box that a joint may be off; least IoU of a match; least motion in pixels that counts as such
REACH, OVERLAP, MOVES = 0.1, 0.3, 1.0
#: where a pixel is, for flow: of the first two it is not known
PLACES = ("leaves, or is covered", "under light, shadow, steam or foam", "people and things", "ground near motion", "ground elsewhere")
#: neighbours whose flow differs by so many pixels make a border of motion; so many pixels around it are near
BORDER, NEAR = 0.5, 16


@dataclass
class Clip:
    """One video: its measured frames, the frames after them, and the truth of each."""

    id: str
    frames: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    pairs: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    flow: list[npt.NDArray[np.float32]] = field(default_factory=list)
    place: list[npt.NDArray[np.int64]] = field(default_factory=list)
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
    parser.add_argument("--drawn", action="store_true", help="frames as they were drawn, not decoded")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kdpipe-derive-quality-") as work:
        root = options.root or Path(work) / "world"
        if options.root is None:
            from world.generate import generate

            generate(root, options.layout, options.size, options.seed, options.threads)
        clips = list(read_world(root, options.videos, options.frames, {EXPERTS[name] for name in options.experts}, options.drawn))
        about = json.loads((root / "truth" / "world.json").read_text(encoding="utf-8"))
    report(clips, options, about)


def report(clips: list[Clip], options: argparse.Namespace, about: dict[str, Any]) -> None:
    """Measure every expert and print what came out."""
    rows: list[dict[str, Any]] = []
    absent = {}
    where: dict[str, list[float]] = {}
    for kind in dict.fromkeys(EXPERTS[name] for name in options.experts):
        untaught = baselines(kind, clips)
        trivial = {name: measured(kind, clips, outputs) for name, outputs in untaught.items()}
        zero = list(trivial.values())[-1]
        rows += [row(name, kind, values, zero) for name, values in trivial.items()]
        if kind == "flow":
            where |= {name: errors_of_places(clips, outputs) for name, outputs in untaught.items()}
        asked = [(name, refine) for name in options.experts if EXPERTS[name] == kind for refine in settings(name, options.refine)]
        for name, refine in asked:
            run, why = prepared(name, clips[0], options.threads, refine)
            if run is None:
                absent[name] = why
                continue
            began = time.perf_counter()
            outputs = [run(clip) for clip in clips]
            seconds = (time.perf_counter() - began) / sum(len(clip.frames) for clip in clips)
            told = f"{name}, refine {refine}" if refine else name
            if kind == "flow":
                where[told] = errors_of_places(clips, outputs)
            rows.append({**row(told, kind, measured(kind, clips, outputs), zero), "ms_each": round(1000 * seconds, 2)})
    print_table(rows)
    for name, why in absent.items():
        print(f"\n{name}: not measured: {why}")
    if where:
        print_places(clips, where)
    told = {"world": about, "videos": len(clips), "frames": sum(len(clip.frames) for clip in clips), "threads": options.threads}
    print(json.dumps({**told, "drawn": options.drawn, "where": where, "rows": rows, "absent": absent}, sort_keys=True))


def settings(name: str, refine: int) -> tuple[int, ...]:
    """Iterations of refinement with which an expert is measured."""
    return (0, refine) if refine and name in CLASSICAL else (0,)


# -- the world --------------------------------------------------------------------------------------------------------


def read_world(root: Path, videos: int, frames: int, kinds: set[str], drawn: bool) -> Iterator[Clip]:
    """The clips of a world, with the truth of the ``kinds`` that are measured; frames as ``drawn``, or decoded."""
    from world import truth

    rows = list(truth.videos(root))
    for place in np.unique(np.linspace(0, len(rows) - 1, min(videos, len(rows))).round().astype(int)):
        clip = read_clip(root, rows[place], frames, kinds, drawn)
        if clip.frames:
            yield clip


def read_clip(root: Path, row: dict[str, Any], frames: int, kinds: set[str], drawn: bool) -> Clip:
    """Some frames of a video, decoded, and their truth: flow to the next frame, depth, joints and which of them are seen."""
    from media.decode import read_frames
    from world import dense, truth
    from world.render import draw

    film = truth.film(row)
    wanted = np.unique(np.linspace(0, film.plan.frames - 2, frames).round().astype(int)).tolist()
    needed = sorted({*wanted, *(t + 1 for t in wanted)})
    if drawn:
        images = dict(zip(needed, draw(film, needed), strict=True))
    else:
        images = {one.number: one.image for one in read_frames(root / row["path"], set(needed))}
    with np.load(root / "truth" / f"{row['id']}.npz") as stored:
        joints, visible = stored["keypoints"].astype(np.float64), stored["visible"]
    clip = Clip(str(row["id"]))
    for t in [t for t in wanted if t in images and t + 1 in images]:
        clip.frames.append(images[t])
        clip.pairs.append(np.stack([images[t], images[t + 1]]))
        if "flow" in kinds:
            clip.flow.append(dense.flow(film, t))
            clip.place.append(places(film, t, clip.flow[-1]))
        if "depth" in kinds:
            clip.depth.append(dense.depth(film, t))
        if "skeleton" in kinds:
            shown = [actor for actor in range(len(joints)) if (visible[actor, t] == 2).any()]
            clip.people.append((joints[shown, t], visible[shown, t] == 2))
    return clip


def places(film: Any, t: int, flow: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Of each pixel (H, W) the index in :data:`PLACES`."""
    from scipy.ndimage import distance_transform_edt

    from world.dense import surface
    from world.known import COVERED, LEAVES, VEILED, unknown

    why = unknown(film, t)
    border = np.zeros(why.shape, bool)
    for axis in (0, 1):
        jumps = np.linalg.norm(np.diff(flow, axis=axis), axis=-1) >= BORDER
        border |= np.insert(jumps, 0, False, axis) | np.insert(jumps, jumps.shape[axis], False, axis)
    near = distance_transform_edt(~border) < NEAR if border.any() else border
    return np.select([(why == LEAVES) | (why == COVERED), why == VEILED, surface(film, t) > 0, near], [0, 1, 2, 3], 4)


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
    """The mean length of the error in pixels, over all pixels of a clip, those that are known, and of these those that move."""
    truth = np.stack(clip.flow).astype(np.float64)
    error, motion = (np.linalg.norm(vectors, axis=-1) for vectors in (truth - np.stack(frames), truth))
    known = np.stack(clip.place) >= 2
    over = (np.ones_like(known), known, known & (motion >= MOVES))
    return {name: float(error[pixels].mean()) if pixels.any() else np.nan for name, pixels in zip(METRICS["flow"], over, strict=True)}


def errors_of_places(clips: list[Clip], outputs: list[list[Any]]) -> list[float]:
    """What each of :data:`PLACES` adds to the mean error over all pixels of all clips."""
    where = np.concatenate([place.ravel() for clip in clips for place in clip.place])
    error = [
        np.linalg.norm(truth - out, axis=-1).ravel()
        for clip, outs in zip(clips, outputs, strict=True)
        for truth, out in zip(clip.flow, outs)
    ]
    return (np.bincount(where, np.concatenate(error), len(PLACES)) / where.size).tolist()


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


def print_places(clips: list[Clip], where: dict[str, list[float]]) -> None:
    """Where the error is: how many of the pixels each place has, and what it adds to the mean error over all."""
    shares = np.bincount(np.concatenate([place.ravel() for clip in clips for place in clip.place]), minlength=len(PLACES))
    print("\n| px of the mean error | pixels | " + " | ".join(where) + " |\n| --- |" + " --- |" * (len(where) + 1))
    for k, name in enumerate(PLACES):
        cells = " | ".join(f"{errors[k]:.3f}" for errors in where.values())
        print(f"| {name} | {shares[k] / shares.sum():.1%} | {cells} |")


def _cell(value: dict[str, float], trivial: bool) -> str:
    text = f"{value['mean']:.3f} ± {value['half']:.3f}"
    return text if trivial else f"{text} ({value['better']:+.3f} ± {value['better_half']:.3f})"


if __name__ == "__main__":
    main()
