"""Decode the frames or the sound of every indexed file once, and keep them as items: ten new videos cost ten decodes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
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
        item = self.items.get(digest)
        if item is not None:
            return {**item.meta, "payload": item.digest}
        outcome = self.items.lost.get(digest)
        if outcome is None:
            raise KeyError(digest)
        return outcome


def run(ctx: Context) -> None:
    """Decode what is not yet decoded; write ``frames.jsonl`` or ``sounds.jsonl`` (usable files, in the index's order) and the ledger."""
    readers.check(ctx.params.reader, ctx.params.resampler)
    assert ctx.items is not None
    outcomes = _Outcomes(ctx.items)
    try:
        _decode(ctx, outcomes)
    finally:
        ctx.items.flush()
    _write(ctx, outcomes)


def _media(ctx: Context) -> Iterator[dict[str, Any]]:
    """The lines of the index one by one: of a million files, all would take most of a gigabyte."""
    decode = json.JSONDecoder().raw_decode  # half the time of json.loads
    with (ctx.inputs["index"] / "media.jsonl").open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield decode(line)[0]


def _decode(ctx: Context, outcomes: _Outcomes) -> None:
    paths: dict[str, str] = {}
    for row in _media(ctx):
        if row["digest"]:
            paths.setdefault(row["digest"], row["path"])  # equal files are decoded once
    todo = sorted((path, digest) for digest, path in paths.items() if _is_open(outcomes.items, digest))
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


def _is_open(items: ItemSet, digest: str) -> bool:
    """Whether a file has to be decoded: it has no row, and those who fill rows for this run did not lose it."""
    return digest not in items and items.lost.get(digest) is None


def _settle(ctx: Context, done: Done, digest: str, outcomes: _Outcomes) -> None:
    if done.state != "done":
        state = "timed_out" if done.state == "timed_out" else "failed"
        outcomes.items.lost.add(digest, {"state": state, "reason": done.reason.replace(f"{ctx.root}/", "")})
        return
    sampled: Sampled = done.value
    if sampled.changed:
        raise DataError(
            f"{done.key} changed while it was being sampled, or since it was indexed", hint=f"kdpipe index, then kdpipe run {ctx.node}"
        )
    if sampled.meta["state"] == "failed":
        outcomes.items.lost.add(digest, sampled.meta)
    else:
        outcomes.keep(digest, sampled)


def _write(ctx: Context, outcomes: _Outcomes) -> None:
    name, kind, facts = SOUND if ctx.params.policy == "audio" else FRAMES
    with (ctx.out / name).open("w", encoding="utf-8") as file:
        for row in _media(ctx):
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
