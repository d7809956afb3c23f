"""Parity of which part of a file XKD's networks see."""

from __future__ import annotations

import math
import random
from typing import Any

from systems.xkd.windows import Span, clip_window, dense_starts, frame_numbers
from tests.parity.case import Case, Mismatch, handles


@handles("snippet_sampling*")
def windows(case: Case) -> dict[str, Any]:
    """Streams are given as (start, duration), which one of them shows: a sound [60, 4000] holds a window of 4 s."""
    for number, record in enumerate(case.meta["records"]):
        video, audio = (Span(*(ms / 1000 for ms in record[f"{stream}_ms"])) for stream in ("video", "audio"))
        seconds = record["want_video_s"], record["want_audio_s"]
        ours = clip_window(video, audio, seconds, random.Random(record["python_random_seed"]).uniform)
        wanted = record["out_video_start_dur_audio_start_dur"]
        if not all(math.isclose(*two, rel_tol=1e-9, abs_tol=1e-9) for two in zip(ours, wanted, strict=True)):
            raise Mismatch(f"records[{number}]: got {list(ours)}, expected {wanted}")
    return {}


@handles("frame_sampling*")
def frames(case: Case) -> dict[str, Any]:
    for number, record in enumerate(case.meta["records"]):
        rate = record["average_rate"][0] / record["average_rate"][1]
        stream = Span(record["stream_start"], record["stream_duration"])
        ours = frame_numbers(stream, rate, record["start"], record["duration"], record["target_fps"])
        if ours != record["frames"]:
            raise Mismatch(f"records[{number}]: got {ours}, expected {record['frames']}")
        if not math.isclose(ours[0] / rate, record["returned_start"], abs_tol=1e-9):
            raise Mismatch(f"records[{number}]: begins at {ours[0] / rate}, expected {record['returned_start']}")
    return {}


@handles("dense_chunks*")
def starts(case: Case) -> dict[str, Any]:
    for number, record in enumerate(case.meta["records"]):
        ours = dense_starts(record["frames"], record["chunk"], record["clips"])
        if ours != record["starts"]:
            raise Mismatch(f"records[{number}]: got {ours}, expected {record['starts']}")
    return {}
