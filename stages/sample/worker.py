"""The work on one file, done in a worker process: check, decode, encode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.digest import digest_file
from cache.memo import stamp
from cache.mounts import bond
from media import frames
from media.outcome import MediaError
from media.waveform import encode_waveform
from stages.sample import SampleParams
from stages.sample.policies import Choice
from stages.sample.readers import reader


@dataclass(frozen=True)
class Job:
    """One file: where it is, the sha256 that the index knows it by, and what is kept of it."""

    path: str
    digest: str
    params: SampleParams


@dataclass(frozen=True)
class Sampled:
    """What a worker hands back. ``payload`` is empty for a lost file; ``changed``: the file is not the indexed one."""

    meta: dict[str, Any]
    payload: bytes = b""
    changed: bool = False


def sample_video(job: Job) -> Sampled:
    """Decode what is kept of one file. It is checked against its digest before, and for changes after."""
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
    try:
        return _sound(job) if job.params.policy == "audio" else _frames(job)
    except MediaError as error:
        return Sampled({"state": error.state, "reason": error.reason})


def _sound(job: Job) -> Sampled:
    params = job.params
    summary, samples = reader(params.reader)(job.path, params.audio_rate, params.seconds, params.resampler)
    state, reason = summary.verdict()
    return Sampled({"state": state, "reason": reason, **summary.facts()}, encode_waveform(samples, summary.rate, summary.start))


def _frames(job: Job) -> Sampled:
    encoder = frames.Encoder(job.params.codec, job.params.quality)
    choice = Choice(job.params)

    def keep(frame: Any) -> tuple[float, bytes]:  # a Frame; its module is the reader's, which sound does not need
        return frame.time, encoder.encode(frame.image)

    summary, kept = reader(job.params.reader)(job.path, choice, keep)
    missing = sorted(set(choice.wanted) - kept.keys())
    if missing:
        return Sampled({"state": "failed", "reason": f"two passes over the file disagree: frame {missing[0]} came only once"})
    state, reason = summary.verdict()
    short = choice.shortage(summary.count)
    if short:
        state, reason = ("padded", short) if state == "ok" else (state, f"{reason}; {short}")
    times, images = ({number: kept[number][part] for number in choice.wanted} for part in (0, 1))
    payload = frames.encode_payload(choice.index, times, images, encoder.head)
    return Sampled({"state": state, "reason": reason, **summary.facts()}, payload)
