"""The costs that every system has, measured by :mod:`models.cost`."""

from __future__ import annotations

from models.evaluation.record import Cost

PARAMETERS = Cost("parameters", head="parameters")
FLOPS_NOTE = "one multiply-add = 2 FLOPs"


def flops_per(one: str) -> Cost:
    """FLOPs of one item: a question, a video."""
    return Cost("flops", head=f"MFLOPs/{one}", axis=f"MFLOPs, per {one}", per=1e6, digits=1)
