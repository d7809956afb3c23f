"""The work of the timing."""

from __future__ import annotations

from cache.stage import Context


def run(ctx: Context) -> None:
    """Not there yet."""
    raise NotImplementedError
