"""Which raw files the index reads: asked for its key, without reading them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cache.stage import Absent
from stages.index import IndexParams
from stages.index.adapters import adapter


def sources(params: IndexParams, root: Path) -> Iterator[str | Absent]:
    """Yield the relative paths of the annotation and media files under ``root``, and what is in the place of one.

    Raises DataError if an annotation file is absent.
    """
    yield from adapter(params.layout).sources(root)
