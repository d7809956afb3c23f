"""Recordings without a picture: kinds of sounds with their times, heights and levels over a background, as WAV files of 44.1 kHz."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cache.json_files import write_json, write_lines
from media.encode import write_video
from world import noises
from world.acted import Progress
from world.noises import KINDS, Cue, Samples
from world.synthesis import noise
from world.workers import pool

RATE = 44_100
#: How loud a sound is at its peak, at the least and the most, and the background in deviations of noise.
NEAR, AROUND = (0.05, 0.8), (0.0005, 0.05)
#: How often there is silence behind the sound.
OFTEN_SILENT = 0.25
#: Seconds in which a sound fades in and out.
FADE = 0.02
#: Marks the generator of a recording's samples.
SAMPLES = 161


@dataclass(frozen=True)
class Event:
    """A kind of sound from ``start`` to ``end`` seconds; pitch: a factor, level: its peak."""

    kind: str
    start: float
    end: float
    pitch: float
    level: float


@dataclass(frozen=True)
class Recording:
    """A file to be made. hum: lowest and highest Hz of the background, and its level; facts: what else the truth says of it."""

    index: int
    id: str
    path: str
    seconds: float
    events: tuple[Event, ...]
    hum: tuple[float, float, float]
    splits: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


def make_event(rng: np.random.Generator, kind: str, seconds: float, pitch: float) -> Event:
    """A sound somewhere in a recording: a part of it, at least half a second, or all of it."""
    lasting = seconds * min(1.0, float(rng.uniform(0.35, 1.3)))
    lasting = min(seconds, max(0.5, lasting))
    start = float(rng.uniform(0, seconds - lasting))
    level = NEAR[0] * (NEAR[1] / NEAR[0]) ** float(rng.random())
    return Event(kind, round(start, 3), round(start + lasting, 3), round(pitch, 4), round(level, 4))


def make_hum(rng: np.random.Generator) -> tuple[float, float, float]:
    """A background: noise somewhere, or nothing."""
    low = float(rng.uniform(30, 600))
    level = 0.0 if rng.random() < OFTEN_SILENT else AROUND[0] * (AROUND[1] / AROUND[0]) ** float(rng.random())
    return round(low), round(low * float(rng.uniform(2, 12))), round(level, 5)


def samples(recording: Recording, seed: int) -> Samples:
    """Mono samples (N,) in -1..1 at ``RATE``."""
    rng = np.random.default_rng([seed, SAMPLES, recording.index])
    n = round(recording.seconds * RATE)
    low, high, level = recording.hum
    track = (level / 0.3) * noise(rng, n, RATE, low, high)
    for event in recording.events:
        first, last = (min(n, round(time * RATE)) for time in (event.start, event.end))
        step = KINDS[event.kind].period * float(rng.uniform(0.75, 1.3))
        times = np.arange(float(rng.uniform(0, 0.4)) * step, event.end - event.start, step)
        times = np.sort(np.maximum(times + rng.normal(0, 0.04 * step, len(times)), 0))
        made = event.level * noises.make(event.kind, Cue(times, event.pitch, last - first, RATE, rng))
        t = np.arange(last - first) / RATE
        track[first:last] += made * np.minimum(1, np.minimum(t, t[::-1]) / FADE).astype(np.float32)
    return np.tanh(track).astype(np.float32)


def write_recordings(out: Path, layout: str, size: str, seed: int, recordings: list[Recording], workers: int, progress: Progress) -> None:
    """Write every file below ``out``, and the truth; the same bytes whatever ``workers``."""
    for folder in sorted({Path(one.path).parent for one in recordings} | {Path("truth")}):
        (out / folder).mkdir(parents=True, exist_ok=True)
    jobs = [(str(out), seed, one) for one in recordings]
    with progress("draw the world", total=len(jobs)) as bar, pool(workers) as run:
        for _ in run(_write, jobs):
            bar.step()
    write_json(out / "truth" / "world.json", {"layout": layout, "size": size, "seed": seed, "audio_rate": RATE})
    write_lines(out / "truth" / "videos.jsonl", map(_fact, recordings))


def _write(job: tuple[str, int, Recording]) -> None:
    out, seed, recording = job
    write_video(Path(out) / recording.path, None, 1, samples(recording, seed), RATE)


def _fact(one: Recording) -> dict[str, Any]:
    row = {**dataclasses.asdict(one), **one.facts}
    del row["facts"], row["index"]
    return row
