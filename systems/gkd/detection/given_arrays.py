"""The ``arrays`` stage where AFSD's arrays are there already: checked, and copied once into the store.

    <root>/validation_npy/<video>.npy, <root>/test_npy/<video>.npy               uint8 (T, 112, 112, 3)
    <root>/validation_flow_npy/<video>.npy, <root>/test_flow_npy/<video>.npy     uint8 (T, 112, 112, 2)

The folders may also lie in ``thumos14`` or ``datasets/thumos14``. A file system that can share blocks (XFS, Btrfs) shares them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from cache.errors import DataError
from cache.stage import Context
from systems.gkd.detection.array_files import file_of, write_list
from systems.gkd.detection.arrays import READERS

FOLDERS = {"rgb": ("validation_npy", "test_npy"), "flow": ("validation_flow_npy", "test_flow_npy")}
PLACES = ("", "thumos14", "datasets/thumos14")
#: bytes that are copied at a time
PIECE = 1 << 26


def sources(params: Any, root: Path) -> Iterator[str]:
    """The files of the modality under the data root."""
    for place in PLACES:
        for folder in FOLDERS[params.modality]:
            directory = root / place / folder
            if directory.is_dir():
                yield from sorted(path.relative_to(root).as_posix() for path in directory.glob("*.npy"))


def run(ctx: Context) -> None:
    """Check and copy every file; the ledger says what is wrong with those that are no such arrays."""
    assert ctx.root is not None
    if not ctx.sources:
        folders = " or ".join(FOLDERS[ctx.params.modality])
        raise DataError(f"there is no npy file in {folders} under the data root", hint="or --set arrays.source=frames")
    found: dict[str, str] = {}
    for relative in ctx.sources:
        found.setdefault(PurePosixPath(relative).stem, relative)
    kept = []
    with ctx.progress(f"{ctx.params.modality} arrays", total=len(found)) as bar:
        for video, relative in found.items():
            try:
                READERS[ctx.params.modality](ctx.root / relative)
            except DataError as error:
                ctx.ledger.add(video, "failed", error.message.replace(f"{ctx.root}/", ""))
            else:
                _copy(ctx.root / relative, ctx.out / file_of(video))
                ctx.ledger.add(video, "ok")
                kept.append(video)
            bar.step()
    write_list(ctx.out, kept, ctx.params.modality, ctx.params.fps)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as given, target.open("wb") as made:
        try:
            while os.copy_file_range(given.fileno(), made.fileno(), PIECE):
                pass
        except OSError:  # not between these two file systems
            given.seek(0)
            made.truncate(0)
            made.seek(0)
            while piece := given.read(PIECE):
                made.write(piece)
