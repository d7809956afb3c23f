"""The work of the dump of one modality."""

from __future__ import annotations

from cache.stage import Context


def run(ctx: Context) -> None:
    """Not there yet."""
    raise NotImplementedError
