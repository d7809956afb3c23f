"""Decode the clips of every indexed video once, and keep them as items: ten new videos cost ten decodes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache.errors import DataError
from cache.items import ItemSet
from cache.ledger import STATES
from cache.stage import Context
from media.workers import Done, run_killable
from stages.sample import clips, readers
from stages.sample.worker import Job, Sampled, sample_video

FLUSH_VIDEOS = 16
FLUSH_SECONDS = 1.0


@dataclass
class _Outcomes:
    """What became of every media file, by its digest.

    Only what the bytes of a file decide is kept as an item. That a video took too long, or that its worker was killed,
    may be the machine's doing: it is reported, and tried again by the next run.
    """

    items: ItemSet
    passing: dict[str, dict[str, Any]] = field(default_factory=dict)
    unsaved: int = 0
    saved_at: float = field(default_factory=time.monotonic)

    def keep(self, digest: str, sampled: Sampled) -> None:
        """Append a row; flush every few videos or seconds, so that a kill costs little."""
        self.items.append(digest, sampled.payload, sampled.meta)
        self.unsaved += 1
        if self.unsaved >= FLUSH_VIDEOS or time.monotonic() - self.saved_at >= FLUSH_SECONDS:
            self.items.flush()
            self.unsaved, self.saved_at = 0, time.monotonic()

    def of(self, digest: str) -> dict[str, Any]:
        """The outcome of one media file: its meta and, if it is usable, the sha256 of its payload as ``frames``."""
        if digest in self.passing:
            return self.passing[digest]
        item = self.items.get(digest)
        if item is None:
            raise KeyError(digest)
        return {**item.meta, "frames": item.digest}


def run(ctx: Context) -> None:
    """Decode what is not yet decoded; write ``frames.jsonl`` (usable videos, in the index's order) and the ledger."""
    clips.check(ctx.params.num_clips, ctx.params.frames_per_clip)
    readers.check(ctx.params.decode)
    assert ctx.items is not None
    media = [json.loads(line) for line in (ctx.inputs["index"] / "media.jsonl").read_text(encoding="utf-8").splitlines()]
    outcomes = _Outcomes(ctx.items)
    try:
        _decode(ctx, media, outcomes)
    finally:
        ctx.items.flush()
    _write(ctx, media, outcomes)


def _decode(ctx: Context, media: list[dict[str, Any]], outcomes: _Outcomes) -> None:
    paths = {row["digest"]: row["path"] for row in reversed(media) if row["digest"]}  # equal files are decoded once
    todo = sorted((path, digest) for digest, path in paths.items() if digest not in outcomes.items)
    with ctx.progress("decode", total=len(paths)) as bar:
        bar.step(len(paths) - len(todo))
        if not todo:
            return
        if ctx.root is None:
            raise DataError("there is no data root to read the videos from", hint="kdpipe sample --data-root DIR")
        jobs = [(path, _job(ctx.params, ctx.root / path, digest)) for path, digest in todo]
        digests = dict(todo)
        for done in run_killable(sample_video, jobs, workers=ctx.workers, timeout=ctx.params.timeout):
            _settle(done, digests[str(done.key)], ctx.root, outcomes)
            bar.step()


def _job(params: Any, path: Path, digest: str) -> Job:
    return Job(str(path), digest, params.num_clips, params.frames_per_clip, params.codec, params.quality, params.decode)


def _settle(done: Done, digest: str, root: Path, outcomes: _Outcomes) -> None:
    if done.state != "done":
        state = "timed_out" if done.state == "timed_out" else "failed"
        outcomes.passing[digest] = {"state": state, "reason": done.reason.replace(f"{root}/", "")}
        return
    sampled: Sampled = done.value
    if sampled.changed:
        raise DataError(f"{done.key} changed while it was being sampled, or since it was indexed", hint="kdpipe index, then kdpipe sample")
    if sampled.meta["state"] == "failed":
        outcomes.passing[digest] = sampled.meta
    else:
        outcomes.keep(digest, sampled)


def _write(ctx: Context, media: list[dict[str, Any]], outcomes: _Outcomes) -> None:
    with (ctx.out / "frames.jsonl").open("w", encoding="utf-8") as file:
        for row in media:
            if not row["digest"]:
                ctx.ledger.add(row["id"], "missing", "the index has no file for it")
                continue
            outcome = outcomes.of(row["digest"])
            ctx.members.add(row["id"], row["digest"], outcome.get("frames", ""))
            detail = {} if outcome["state"] == "ok" else {"path": row["path"]}
            ctx.ledger.add(row["id"], outcome["state"], outcome["reason"], **detail)
            if STATES[outcome["state"]] == "lost":
                continue
            usable = {name: outcome[name] for name in ("frames", "count", "width", "height", "rate")}
            file.write(json.dumps({"id": row["id"], "media": row["digest"], **usable}, sort_keys=True) + "\n")
