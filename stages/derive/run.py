"""The work of the ``derive`` stage: sampled frames through an expert, one row a video, coded.

Writes
  frames.jsonl   the usable videos, in the order of the index, as ``sample`` lists them: ``frames`` is the digest of the derived payload,
                 ``source`` the key of its row: the digest of the sampled frames (and of the id, where poses are looked up by it)
  derived.json   what they are: expert, weights, coding and its options

A payload of pictures is one of :mod:`media.frames`, so whoever reads sampled frames reads derived ones. The key of the rows holds expert,
weights and coding; the processor that computed is in each row.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import DataError
from cache.ledger import STATES, Ledger
from cache.paced import Paced
from cache.stage import Context
from media.codings.derived import Coder
from media.codings.table import coder
from models.experts import weights as table
from models.experts.frame_size import FrameSizeError
from models.experts.registry import Entry, build
from models.experts.running import Expert, People, Setup
from models.inference.infer import Plan
from models.inference.runtimes import processor, vectors
from models.weight_files import locate
from models.weights import check
from stages.derive.results import Lacking, Results
from stages.derive.rows import Part, Reader, Video, parts_of


def run(ctx: Context) -> None:
    """Derive what is missing, then list what there is."""
    sampled = _lines(ctx.inputs["sample"] / "frames.jsonl")
    if not sampled:
        raise DataError("the sample stage has no usable video", hint="kdpipe show sample: its ledger says why")
    compute(ctx, sampled)
    assemble(ctx, sampled)


def compute(ctx: Context, sampled: list[dict[str, Any]]) -> None:
    """Append a row to the item set for every frames payload that has none yet; equal frames are computed once."""
    assert ctx.items is not None
    wanted = {key_of(ctx, row): row for row in sampled}
    jobs = [row for key, row in wanted.items() if key not in ctx.items]
    with ctx.progress(f"derive {ctx.params.kind}", total=len(wanted)) as bar:
        bar.step(len(wanted) - len(jobs))
        if not jobs:
            return
        by = processor(ctx.params.runtime, ctx.device, ctx.params.precision) if ctx.params.network.network else vectors("cpu")
        with Paced(ctx.items) as rows:
            for row in derived(ctx, jobs):
                rows.append(row.key, row.payload, {"state": row.state, "reason": row.reason, "by": by, **row.facts})
                bar.step()


def key_of(ctx: Context, row: dict[str, Any]) -> str:
    """The key of the row of a sampled video: its frames, and its id where poses are looked up by it."""
    if ctx.params.network.name != "results":
        return str(row["frames"])
    return hashlib.sha256(f"{row['frames']}\n{row['id']}".encode()).hexdigest()


@dataclasses.dataclass
class Row:
    """A video that is finished: its row's key, coded payload and facts (``height``, ``width``, ``people``)."""

    key: str
    state: str
    reason: str
    payload: bytes
    facts: dict[str, int]


def derived(ctx: Context, jobs: list[dict[str, Any]]) -> Iterator[Row]:
    """Yield a row for every line of ``jobs``; videos of one frame size go through one expert, whatever their order."""
    reader = Reader(ctx.input_items["sample"], ctx.params, "sample")
    if ctx.params.network.name == "results":
        yield from _looked_up(ctx, reader, jobs)
        return
    by_size: dict[tuple[int, int], list[Video]] = defaultdict(list)
    for row in jobs:
        video = reader.video(row)
        by_size[video.height, video.width].append(video)
    for (height, width), videos in by_size.items():
        try:
            yield from _collected(ctx, reader, make_expert(ctx, height, width), videos)
        except FrameSizeError as error:
            for video in videos:
                yield Row(video.key, "failed", error.message, b"", {"height": height, "width": width})


def _collected(ctx: Context, reader: Reader, expert: Expert, videos: list[Video]) -> Iterator[Row]:
    """The rows of videos of one size, put together from their parts as these come."""
    parts = [part for video in videos for part in parts_of(video)]
    tally = _Tally(ctx, reader)
    for part, (_, products) in zip(parts, expert(parts, reader.load), strict=True):
        tally.add(part, products)
        if part.stop == len(part.video.numbers):
            yield tally.row(part.video)
            tally = _Tally(ctx, reader)


def _looked_up(ctx: Context, reader: Reader, jobs: list[dict[str, Any]]) -> Iterator[Row]:
    """The rows of videos whose poses somebody else found."""
    results = Results(ctx.files["results_file"], ctx.params.results_first)
    for row in jobs:
        video, tally = reader.video(row), _Tally(ctx, reader)
        try:
            found = results.of(row["id"])
            for part in parts_of(video):
                shown = video.numbers[part.start : part.stop]
                people = (found(number, row["height"], row["width"]) for number in shown)
                tally.add(part, [one.scaled(video.width / row["width"], video.height / row["height"]) for one in people])
            yield dataclasses.replace(tally.row(video), key=key_of(ctx, row))
        except Lacking as error:
            yield Row(key_of(ctx, row), "missing", str(error), b"", {"height": video.height, "width": video.width})


class _Tally:
    """The products of one video, coded as they come."""

    def __init__(self, ctx: Context, reader: Reader) -> None:
        self._params, self._reader = ctx.params, reader
        self._coder: Coder = coder(ctx.params.kind, ctx.params.form, ctx.params.form_options)
        self._bad = self._people = self._without = 0
        self._size = (0, 0)

    def add(self, part: Part, products: list[Any]) -> None:
        for number, product in zip(part.video.numbers[part.start : part.stop], products, strict=True):
            if isinstance(product, People):
                self._people += len(product.scores)
                self._without += not len(product.scores)
                finite = bool(np.isfinite(product.keypoints).all())
            else:
                finite = bool(np.isfinite(product).all())
                self._size = product.shape[:2]
            self._bad += not finite
            if not self._bad:
                frame = self._reader.picture(part.video, number) if self._params.kind == "skeleton" else None
                self._coder.add(number, product, frame)

    def row(self, video: Video) -> Row:
        height, width = self._size if self._size != (0, 0) else (video.height, video.width)
        count, facts = len(video.numbers), {"height": height, "width": width}
        if self._bad:
            return Row(video.key, "non_finite", f"{self._bad} of {count} frames have NaN or infinity", b"", facts)
        payload = self._coder.payload(*self._reader.times_of(video))
        state, reason = "ok", ""
        if self._params.kind == "flow" and all(len(set(seen)) == 1 for seen in video.seen):
            state, reason = "no_pair", "one frame alone has no next one: nothing moves"
        if self._params.kind == "skeleton":
            facts["people"] = self._people
            if self._without:
                state = "no_person" if self._without == count else "few_people"
                reason = f"nobody is found in {self._without} of {count} frames"
        return Row(video.key, state, reason, payload, facts)


def make_expert(ctx: Context, height: int, width: int) -> Expert:
    """The expert of a stage for frames of one size, with its weights."""
    params, entry = ctx.params, ctx.params.network
    plan = Plan.of(
        ctx.device if entry.network else "cpu",
        min(ctx.workers * ctx.threads, os.cpu_count() or 1),
        clips=entry.kind == "flow",
        runtime=params.runtime,
        precision=params.precision,
    )
    options = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    detector = ctx.files.get("detector_weights_file")
    if detector is not None and params.finder is not None:
        check(params.finder, detector)
    return build(entry.name, Setup(height, width, plan, _weights(ctx, entry), detector, params.random_seed, options))


def _weights(ctx: Context, entry: Entry) -> Path | None:
    """The file of the expert's weights, checked; None where it has none, or random ones."""
    params = ctx.params
    if params.named_weights in ("", "random"):
        return None
    return locate(entry.name, params.named_weights, ctx.files.get("weights_file"), table.of_expert(entry.name), ctx.node)


def assemble(ctx: Context, sampled: list[dict[str, Any]]) -> None:
    """Write ``frames.jsonl`` and ``derived.json``; the ledger tells how every video of the index ended."""
    assert ctx.items is not None
    by_id = {row["id"]: row for row in sampled}
    made_by: Counter[str] = Counter()
    usable = 0
    with (ctx.out / "frames.jsonl").open("w", encoding="utf-8") as file:
        for id in [row["id"] for row in _lines(ctx.inputs["index"] / "media.jsonl")]:
            if id not in by_id:
                continue
            row = by_id[id]
            item = ctx.items.get(key_of(ctx, row))
            assert item is not None
            ctx.ledger.add(id, item.meta["state"], item.meta["reason"])
            if STATES[item.meta["state"]] == "lost":
                continue
            usable += 1
            made_by[item.meta["by"]] += 1
            ctx.members.add(id, item.key, item.digest)
            size = {"width": item.meta["width"], "height": item.meta["height"]}
            line = {**row, **size, "frames": item.digest, "source": item.key}
            file.write(json.dumps(line, sort_keys=True) + "\n")
    _note_lost(ctx, set(by_id))
    if not usable:
        raise DataError(f"no video has a {ctx.params.kind} that can be used", hint=f"kdpipe show {ctx.node} --ledger says why")
    told = ", ".join(f"{count} rows by {by}" for by, count in sorted(made_by.items()))
    ctx.notes["arithmetic"] = next(iter(made_by)) if len(made_by) == 1 else f"of several machines, which differ in last bits: {told}"
    params = ctx.params
    about = {
        "kind": params.kind,
        "expert": params.network.name,
        "weights": params.named_weights,
        "random": params.named_weights == "random",
        "coding": params.form,
        "options": params.form_options,
        "pairs": params.pairs if params.kind == "flow" else "",
        "runtime": params.runtime if params.network.network else "",
        "precision": params.precision if params.network.network else "",
        "videos": usable,
    }
    (ctx.out / "derived.json").write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _note_lost(ctx: Context, there: set[str]) -> None:
    """Say what became of the videos that the sample stage lost; they count as its losses, not as ours."""
    path = ctx.inputs["sample"] / "ledger.jsonl"
    before = Ledger.load(path).entries if path.is_file() else {}
    for row in _lines(ctx.inputs["index"] / "media.jsonl"):
        if row["id"] not in there:
            entry = before.get(row["id"])
            why = f"{entry.state}: {entry.reason}" if entry and entry.outcome == "lost" else "missing"
            ctx.ledger.add(row["id"], "lost_before", f"no frames ({why})")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
