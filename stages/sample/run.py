"""Decode the frames or the sound of every indexed file once, and keep them as items: ten new videos cost ten decodes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from cache.errors import DataError
from cache.items import ItemSet
from cache.ledger import STATES
from cache.stage import Context
from media.workers import Done, run_killable
from stages.sample import readers
from stages.sample.worker import Job, Sampled, sample_video

FLUSH_VIDEOS = 16
FLUSH_SECONDS = 1.0

#: Of frames and of sound: the list of usable files, what it calls the digest of a payload, and which facts a line holds.
FRAMES = ("frames.jsonl", "frames", ("count", "width", "height", "rate"))
SOUND = ("sounds.jsonl", "sound", ("count", "rate", "start"))


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
        """The outcome of one media file: its meta and, if it is usable, the sha256 of its payload as ``payload``."""
        if digest in self.passing:
            return self.passing[digest]
        item = self.items.get(digest)
        if item is None:
            raise KeyError(digest)
        return {**item.meta, "payload": item.digest}


def run(ctx: Context) -> None:
    """Decode what is not yet decoded; write ``frames.jsonl`` or ``sounds.jsonl`` (usable files, in the index's order) and the ledger."""
    readers.check(ctx.params.reader)
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
            raise DataError("there is no data root to read the videos from", hint=f"kdpipe run {ctx.node} --data-root DIR")
        jobs = [(path, Job(str(ctx.root / path), digest, ctx.params)) for path, digest in todo]
        digests = dict(todo)
        for done in run_killable(sample_video, jobs, workers=ctx.workers, timeout=ctx.params.timeout):
            _settle(ctx, done, digests[str(done.key)], outcomes)
            bar.step()


def _settle(ctx: Context, done: Done, digest: str, outcomes: _Outcomes) -> None:
    if done.state != "done":
        state = "timed_out" if done.state == "timed_out" else "failed"
        outcomes.passing[digest] = {"state": state, "reason": done.reason.replace(f"{ctx.root}/", "")}
        return
    sampled: Sampled = done.value
    if sampled.changed:
        raise DataError(
            f"{done.key} changed while it was being sampled, or since it was indexed", hint=f"kdpipe index, then kdpipe run {ctx.node}"
        )
    if sampled.meta["state"] == "failed":
        outcomes.passing[digest] = sampled.meta
    else:
        outcomes.keep(digest, sampled)


def _write(ctx: Context, media: list[dict[str, Any]], outcomes: _Outcomes) -> None:
    name, kind, facts = SOUND if ctx.params.policy == "audio" else FRAMES
    with (ctx.out / name).open("w", encoding="utf-8") as file:
        for row in media:
            if not row["digest"]:
                ctx.ledger.add(row["id"], "missing", "the index has no file for it")
                continue
            outcome = outcomes.of(row["digest"])
            ctx.members.add(row["id"], row["digest"], outcome.get("payload", ""))
            detail = {} if outcome["state"] == "ok" else {"path": row["path"]}
            ctx.ledger.add(row["id"], outcome["state"], outcome["reason"], **detail)
            if STATES[outcome["state"]] == "lost":
                continue
            usable = {kind: outcome["payload"], **{fact: outcome[fact] for fact in facts}}
            file.write(json.dumps({"id": row["id"], "media": row["digest"], **usable}, sort_keys=True) + "\n")
