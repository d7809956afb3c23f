"""The work on one video, done in a worker process: check, decode, encode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.memo import stamp
from cache.mounts import bond
from media import frames
from media.decode import Frame
from media.outcome import MediaError
from stages.sample.clips import clip_indices, is_padded
from stages.sample.readers import reader


@dataclass(frozen=True)
class Job:
    """One video: where it is, the sha256 that the index knows it by, and how its frames are chosen and kept."""

    path: str
    digest: str
    clips: int
    frames: int
    codec: str
    quality: int
    decode: str = "pyav"


@dataclass(frozen=True)
class Sampled:
    """What a worker hands back. ``payload`` is empty for a lost video; ``changed``: the file is not the indexed one."""

    meta: dict[str, Any]
    payload: bytes = b""
    changed: bool = False


def sample_video(job: Job) -> Sampled:
    """Decode the clips of one video. The file is checked against its digest before, and for changes after."""
    try:
        path = Path(job.path)
        before = stamp(path), bond(path)
        if digest_file(path) != job.digest:
            return Sampled({}, changed=True)
        result = _decode(job)
        told = before[1].name and (stamp(path), bond(path)) == before
        if not told and digest_file(path) != job.digest:
            return Sampled({}, changed=True)
    except FileNotFoundError:
        return Sampled({}, changed=True)
    except OSError as error:
        return Sampled({"state": "failed", "reason": f"the file cannot be read: {error.strerror}"})
    return result


def _decode(job: Job) -> Sampled:
    def choose(count: int) -> list[int]:
        return sorted({int(n) for n in clip_indices(count, job.clips, job.frames).flat})

    encoder = frames.Encoder(job.codec, job.quality)

    def keep(frame: Frame) -> tuple[float, bytes]:
        return frame.time, encoder.encode(frame.image)

    try:
        summary, kept = reader(job.decode)(job.path, choose, keep)
    except MediaError as error:
        return Sampled({"state": error.state, "reason": error.reason})
    index = clip_indices(summary.count, job.clips, job.frames)
    missing = [n for n in choose(summary.count) if n not in kept]
    if missing:
        return Sampled({"state": "failed", "reason": f"two passes over the file disagree: frame {missing[0]} came only once"})
    state, reason = summary.verdict()
    if is_padded(index):
        short = f"{summary.count} frames are too few for {job.clips} clips of {job.frames}: frames are repeated"
        state, reason = ("padded", short) if state == "ok" else (state, f"{reason}; {short}")
    payload = frames.encode_payload(index, {n: k[0] for n, k in kept.items()}, {n: k[1] for n, k in kept.items()}, encoder.head)
    return Sampled({"state": state, "reason": reason, **summary.facts()}, payload)
