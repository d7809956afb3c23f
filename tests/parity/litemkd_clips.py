"""Parity of the few-shot system's frames and pictures, drawn with Python's own generator as the published code does."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np

from systems.litemkd.frames import frame_indices
from systems.litemkd.views import resize, view
from tests.parity.case import Case, handles

GREY_LEVEL = 1.0


@handles("frame_indices*")
def frames(case: Case) -> dict[str, Any]:
    counts, seed, wanted = [int(n) for n in case.inputs["n_frames"]], int(case.meta["seed"]), case.config["seq_len"]
    drawn = [frame_indices(count, random.Random(seed + row), frames=wanted) for row, count in enumerate(counts)]
    return {"test_indices": np.array([frame_indices(count, frames=wanted) for count in counts]), "train_indices": np.array(drawn)}


@handles("clip_transforms*")
def pictures(case: Case) -> dict[str, Any]:
    """Outputs are ``resize_<clip>``, ``center_<clip>`` and ``train_<k>``, drawn with the seed of the case plus k."""
    short, crop, seed = case.config["resize"], case.config["crop"], int(case.meta["seed"])
    got: dict[str, Any] = {}
    for name in case.outputs:
        kind, which = re.fullmatch(r"([a-z]+)_(\w+)", name).groups()
        clip = case.inputs["clip_train" if kind == "train" else f"clip_{which}"]
        if kind == "resize":
            got[name] = resize(clip, short)
        else:
            got[name] = view(clip, crop, random.Random(seed + int(which)) if kind == "train" else None, short=short)
    case.allow("*", absolute=GREY_LEVEL)
    return got
