"""What int8 is scaled by: the ranges of the inputs of a network's convolutions, measured on videos of the dataset itself.

Which videos, is decided by the index alone: of the split ``train`` (of all, where there is none), the :data:`VIDEOS` whose files have the
smallest digests; of each at most :data:`ROWS` of its frames or clips, evenly spread. Those that ``sample`` lost are passed over.

Writes
  ranges.json   ``ranges`` (a convolution -> the least and the largest number of its input), ``videos`` (their ids), ``rows`` (how many)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cache.errors import DataError
from cache.json_files import read_lines, write_json
from cache.stage import Context
from models.backbones.inputs import input_on
from models.inference.infer import ON_CPU, one_thread, set_determinism
from models.inference.ranges import Ranges, ranges_of
from stages.extract.loader import clip_shape, load_clips
from stages.extract.network import network_of

VIDEOS, ROWS = 16, 8
FILE = "ranges.json"


def run(ctx: Context) -> None:
    """Measure with the network as it is, in float32 and on one thread."""
    media = list(read_lines(ctx.inputs["index"] / "media.jsonl"))
    sampled = {row["id"]: row for row in read_lines(ctx.inputs["sample"] / "frames.jsonl")}
    chosen = choose(media, set(sampled))
    if not chosen:
        raise DataError("the sample stage has no usable video", hint="kdpipe show sample: its ledger says why")
    params, source = ctx.params, ctx.input_items["sample"]
    jobs = [(sampled[id].get("source", sampled[id]["media"]), sampled[id]["frames"]) for id in chosen]
    kind, size = params.form, params.image_size or params.network.image_size
    net = network_of(ctx, params, clip_shape(source, *jobs[0])[1])
    to_input = input_on(ctx.device, params.pixels, kind.channels)
    rows = 0

    def batches() -> Iterator[Any]:
        nonlocal rows
        with ctx.progress(f"calibrate {params.kind}", total=len(jobs)) as bar:
            for media, digest in jobs:
                item = load_clips(source, media, digest, size, params.resize, kind.channels).work(kind)
                wanted = set(spread(item.count, ROWS))
                images = np.stack([row for number, row in enumerate(item.rows) if number in wanted])
                rows += len(images)
                yield from (to_input(images[first : first + ON_CPU]) for first in range(0, len(images), ON_CPU))
                bar.step()

    set_determinism()
    threads = torch.get_num_threads()
    one_thread()
    try:
        ranges = ranges_of(net, batches())
    finally:
        torch.set_num_threads(threads)
    write_json(ctx.out / FILE, {"ranges": ranges, "videos": chosen, "rows": rows})
    for id in chosen:
        ctx.ledger.add(id, "ok")


def choose(media: list[dict[str, Any]], usable: set[str]) -> list[str]:
    """The ids of the videos to measure with, by rows of the index (``id``, ``digest``, ``splits``)."""
    known = [row for row in media if row["id"] in usable]
    learnt = [row for row in known if "train" in row["splits"]] or known
    return [row["id"] for row in sorted(learnt, key=lambda row: (row["digest"], row["id"]))[:VIDEOS]]


def spread(count: int, most: int) -> list[int]:
    """At most ``most`` of the numbers below ``count``, as far apart as they can be: the middles of equal parts."""
    return list(range(count)) if count <= most else [(2 * n + 1) * count // (2 * most) for n in range(most)]


def read_ranges(directory: Path) -> Ranges:
    """What :func:`run` has written into ``directory``."""
    found = json.loads((directory / FILE).read_text(encoding="utf-8"))["ranges"]
    return {name: (least, largest) for name, (least, largest) in found.items()}
