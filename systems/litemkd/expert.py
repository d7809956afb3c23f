"""The work of an expert: a network of one modality, trained on episodes of few-shot/train."""

from __future__ import annotations

from cache.stage import Context


def run(ctx: Context) -> None:
    """Not there yet."""
    raise NotImplementedError
