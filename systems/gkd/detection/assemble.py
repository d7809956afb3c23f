"""The ``arrays`` stage: an array of every video's sampled frames, or of their flow, as AFSD has them (spec 2.1).

A video is written frame by frame into a file that a killed run leaves behind, and the next one finds. See
:mod:`systems.gkd.detection.array_files` for what comes of it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import DataError
from cache.items import ItemSet
from cache.json_files import read_lines
from cache.stage import Context
from formats import afsd_npy
from media.frames import Frames, decode_payload, read_payload
from models.inference.in_order import in_order
from systems.gkd.detection.array_files import file_of, write_list
from systems.gkd.detection.arrays import write_frames

#: share by which the pictures a second of a video may differ from what they should be
UNEVEN = 0.05


def run(ctx: Context) -> None:
    """Write what is not there yet, then list it."""
    rows = list(read_lines(ctx.inputs["frames"] / "frames.jsonl"))
    if not rows:
        raise DataError("there is no video with frames", hint="kdpipe show sample --ledger")
    todo = [row for row in rows if not (ctx.scratch / file_of(row["id"])).is_file()]
    with ctx.progress(f"{ctx.params.modality} arrays", total=len(rows)) as bar:
        bar.step(len(rows) - len(todo))
        for _ in in_order(lambda row: _write(ctx, row), todo, max(1, ctx.workers), lambda: None):
            bar.step()
    for row in rows:
        shutil.move(ctx.scratch / file_of(row["id"]), ctx.out / file_of(row["id"]))
        ctx.ledger.add(row["id"], "ok")
    write_list(ctx.out, [row["id"] for row in rows], ctx.params.modality, ctx.params.fps)


def _write(ctx: Context, row: dict[str, Any]) -> None:
    frames = frames_of(ctx.input_items["frames"], row)
    numbers = [int(number) for number in frames.index.reshape(-1)]
    _check_rate(row["id"], frames, ctx.params.fps)
    path = ctx.scratch / file_of(row["id"])
    unfinished = path.with_suffix(".unfinished")
    if ctx.params.modality == "rgb":
        write_frames(unfinished, map(frames.images, numbers), len(numbers), ctx.params.size)
    else:
        _write_flow(unfinished, row["id"], frames, numbers, ctx.params.size)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def frames_of(items: ItemSet, row: dict[str, Any]) -> Frames:
    """The pictures of a line of ``frames.jsonl``."""
    return decode_payload(read_payload(items, row.get("source", row["media"]), row["frames"]))


def _write_flow(path: Path, video: str, frames: Frames, numbers: list[int], size: int) -> None:
    """Codes are of the motion in pixels, so flow is not resized: it has to be of frames of that size."""
    first = frames.images(numbers[0])
    if first.ndim != 3 or first.shape[-1] != 2:
        raise DataError(f"{video}: pictures of {first.shape} where flow of two planes is needed", hint="--set derive.flow.coding=xy")
    if first.shape[:2] != (size, size):
        what = f"{video}: flow of {first.shape[1]} x {first.shape[0]} pixels, where arrays have {size} x {size}"
        raise DataError(what, hint=f"--set derive.flow.width={size} --set derive.flow.height={size}")
    afsd_npy.write(path, map(frames.images, numbers), len(numbers))


def _check_rate(video: str, frames: Frames, fps: float) -> None:
    """Times of windows are counted in frames, so these have to come as often as is said."""
    if frames.index.shape[0] != 1:
        raise DataError(f"{video}: {frames.index.shape[0]} clips, where all of the video is needed", hint="--set sample.policy=rate")
    seconds = frames.times[np.searchsorted(frames.numbers, frames.index[0])]
    steps = len(seconds) - 1
    if steps > fps and abs((seconds[-1] - seconds[0]) * fps / steps - 1) > UNEVEN:
        found = steps / max(float(seconds[-1] - seconds[0]), 1e-9)
        hint = f"--set sample.policy=rate --set sample.fps={fps:g} --set sample.take=last, or another arrays.fps"
        raise DataError(f"{video}: {found:.2f} sampled frames a second, where arrays have {fps:g}", hint=hint)
