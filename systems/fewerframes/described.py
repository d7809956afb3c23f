"""Videos as frame features, described as the drawn programmes are: what the stage ``ingest`` would have read of them.

Writes ``files.h5`` (:mod:`cache.ragged`: rgb and audio side by side, uint8, no labels) and ``frames.json``, as ``ingest`` does. A video
without sound is as one that is silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.json_files import read_lines, write_json
from cache.ragged import RaggedWriter
from cache.stage import Context
from formats.whitening import Whitening
from formats.youtube8m import AUDIO, RGB, quantise
from media.frames import Frames, decode_payload, read_payload
from media.waveform import decode_waveform
from world.descriptors import Eye, listen
from world.plan import AUDIO_RATE
from world.youtube8m import PCA

PARTITION = "files"

Codes = npt.NDArray[np.uint8]


def run(ctx: Context) -> None:
    """Describe every file that has frames; of a long one the first ``max_frames`` steps."""
    params = ctx.params
    if (params.rgb, params.audio) != (RGB, AUDIO):
        raise DataError(f"features of {params.rgb} and {params.audio} numbers, where videos are described by {RGB} and {AUDIO}")
    rows = list(read_lines(ctx.inputs["frames"] / "frames.jsonl"))
    described = dict(_described(ctx, rows))
    total = sum(len(rgb) for rgb, _ in described.values())
    with RaggedWriter(ctx.out / f"{PARTITION}.h5", RGB + AUDIO, rows=total) as file:
        for id, (rgb, audio) in described.items():
            file.append(id, [], rgb, audio)
            ctx.ledger.add(id, "ok")
    write_json(ctx.out / "frames.json", {"rgb": RGB, "audio": AUDIO, "num_classes": 1, "max_frames": params.max_frames, "level": "frame"})


def _described(ctx: Context, rows: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[Codes, Codes]]]:
    sight, hearing = (Whitening.load(ctx.inputs["world"] / PCA, width, prefix) for width, prefix in ((RGB, ""), (AUDIO, "audio_")))
    sounds = {row["id"]: row for row in read_lines(ctx.inputs["sound"] / "sounds.jsonl")}
    eye = Eye()
    with ctx.progress("describe", total=len(rows)) as bar:
        for row in rows:
            frames = decode_payload(read_payload(ctx.input_items["frames"], row["media"], row["frames"]))
            numbers = [int(number) for number in frames.index.reshape(-1)[: ctx.params.max_frames]]
            seen = eye(frames.images(number) for number in numbers)
            heard = listen(_track(ctx, sounds.get(row["id"])), moments_of(frames, numbers))
            yield row["id"], (quantise(sight(seen)), quantise(hearing(heard)))
            bar.step()


def moments_of(frames: Frames, numbers: list[int]) -> npt.NDArray[np.float64]:
    """Seconds of some frames since the container's start."""
    return frames.times[np.searchsorted(frames.numbers, numbers)]


def _track(ctx: Context, row: dict[str, Any] | None) -> npt.NDArray[np.float32]:
    """The samples of a video's sound since the container's start; one of silence if it has none."""
    if row is None:
        return np.zeros(AUDIO_RATE, np.float32)
    item = ctx.input_items["sound"].get(row["media"])
    assert item is not None
    wave = decode_waveform(bytes(item.payload))
    late = round(wave.start * wave.rate)
    return np.concatenate([np.zeros(max(0, late), np.float32), wave.floats(max(0, -late))])
