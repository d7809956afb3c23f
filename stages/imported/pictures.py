"""Pictures of frames that somebody else made, Lite-MKD's ``<modality>_l8`` (:mod:`formats.l8`), in place of sampled or derived frames.

Writes what ``sample`` and ``derive`` write: ``frames.jsonl`` and, of derived ones, ``derived.json``. The files themselves are kept,
each looked at: that it is a picture, of the size of the others of its video. A row's key is the digest of its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import DataError
from cache.json_files import read_lines, write_json, write_lines
from cache.stage import Context
from formats import l8
from media.frames import encode_payload
from stages.imported.ids import match
from stages.imported.kinds import IMPORTABLE
from stages.imported.rows import FloatArray, Source

#: the codings that pictures of derived kinds are in
CODINGS = {"flow": "wheel", "depth": "jet", "skeleton": "black"}


class Pictures(Source):
    """A tree of pictures; ids are ``<class>/<video>``. ``shape`` is that of the first video."""

    form, array, dtype = "pictures", "", "uint8"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ids = [f"{label}/{video}" for label, video in l8.videos_of(path)]
        if not self.ids:
            raise DataError(f"{path} holds no pictures", hint="expected <class>/<video>/00000001.jpg")
        first = self.pictures(0)
        self.shape = (len(first), *first[0].shape)

    def pictures(self, number: int) -> list[Any]:
        """The pictures of a video, RGB uint8 (H, W, 3). Raises DataError naming what is none."""
        return l8.read(self.path / self.ids[number])

    def row(self, number: int) -> FloatArray:
        raise TypeError(f"{self.path} holds pictures, no features")


def write(ctx: Context, source: Pictures) -> None:
    """Keep the pictures of every video of the index; the ledger tells what became of each."""
    assert ctx.items is not None
    matched = match(source.ids, [row["id"] for row in read_lines(ctx.inputs["index"] / "media.jsonl")], ctx.params.ids)
    for id in matched.missing:
        ctx.ledger.add(id, "missing", "the imported tree has no pictures of it")
    with ctx.progress("import", total=len(matched.rows)) as bar:
        lines = list(_lines(ctx, source, matched.rows, bar))
    ctx.items.flush()
    if not lines:
        raise DataError(f"{source.path} has no usable pictures of a video of the dataset")
    write_lines(ctx.out / "frames.jsonl", lines)
    about = {"sha256": ctx.params.sha256, "ids": matched.rule, "rows": len(source.ids), "unexpected": len(matched.unexpected)}
    shape = {"videos": len(lines), "clips": None, "frames": l8.LENGTH, "width": None}
    write_json(ctx.out / "features.json", {"kind": ctx.params.kind, "file": "frames.jsonl", **shape, "imported": about})
    kind = IMPORTABLE[ctx.params.kind].node.partition(".")[2]
    if kind:
        made = {"expert": "imported", "weights": "", "random": False, "pairs": "", "runtime": "", "precision": ""}
        kept = {"kind": kind, "coding": CODINGS[kind], "options": {}, "videos": len(lines), "imported": about}
        write_json(ctx.out / "derived.json", {**made, **kept})


def _lines(ctx: Context, source: Pictures, rows: dict[str, int], bar: Any) -> Iterator[dict[str, Any]]:
    """The lines of ``frames.jsonl``; payloads are appended on the way."""
    assert ctx.items is not None
    for id, number in rows.items():
        bar.step()
        try:
            pictures = source.pictures(number)
            wrong = _wrong(pictures)
        except DataError as error:
            wrong = error.message.replace(f"{source.path}/", "")
        if wrong:
            ctx.ledger.add(id, "failed", wrong)
            continue
        stills = dict(enumerate(path.read_bytes() for path in l8.pictures_of(source.path / source.ids[number])))
        payload = encode_payload(np.arange(len(stills), dtype=np.int32)[None], dict.fromkeys(stills, 0.0), stills)
        digest = hashlib.sha256(payload).hexdigest()
        ctx.items.append(digest, payload, {"state": "ok", "reason": ""})
        short = len(stills) < l8.LENGTH
        ctx.ledger.add(id, "noted" if short else "ok", f"{len(stills)} pictures, not {l8.LENGTH}" if short else "")
        ctx.members.add(id, digest, digest)
        height, width = pictures[0].shape[:2]
        same = {"count": len(stills), "height": height, "width": width, "rate": 0.0}
        yield {"id": id, "media": digest, "source": digest, "frames": digest, **same}


def _wrong(pictures: list[Any]) -> str:
    """Why the pictures of a video cannot be used, "" if they can."""
    if len(pictures) > l8.LENGTH:
        return f"its folder holds {len(pictures)} pictures, and these trees have {l8.LENGTH} a video"
    sizes = {f"{picture.shape[1]} x {picture.shape[0]}" for picture in pictures}
    return f"its pictures differ in size: {', '.join(sorted(sizes))}" if len(sizes) > 1 else ""
