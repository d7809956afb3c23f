"""Which shape, head and objective a student has where its parameters leave it open: '' is what fits the rest."""

from __future__ import annotations

from typing import Any

from cache.errors import ConfigError
from systems.litemkd.switches import PRESETS

#: shape -> head
HEADS = {"bare": "trx", "plain": "trx", "d2m": "d2m", "pooled-d2m": "distance-d2m", "strm": "strm", "strm-d2m": "strm-d2m"}
#: head -> objective with a teacher ('' is the preset's), and of the labels alone
TAUGHT = {
    "d2m": "", "distance-d2m": "", "trx": "KD", "ctx": "KD", "distance": "KD", "trx-two": "fc_2", "distance-two": "fc_2", "trx-support":
    "fc_1_sup", "distance-support": "fc_1_sup", "trx-prototypes": "support_sim", "d2m-both": "fc_2_sup_2", "strm": "strm_KD",
    "strm-support": "strm_1fc_sup", "strm-d2m": "strm_fc_2_sup_dist",
}  # fmt: skip
ALONE = {"trx": "ce", "ctx": "ce", "distance": "ce", "d2m": "cece", "d2m-both": "cece", "distance-d2m": "cece", "strm": "strm"}


def chosen(params: Any) -> tuple[str, str, str]:
    """Shape, head and name of the objective. Raises ConfigError where nothing fits and none is named."""
    taught = params.learns_from != "none"
    shape = params.shape or ("d2m" if taught else "plain")
    head = params.head or HEADS[shape]
    table = TAUGHT if taught else ALONE
    if not params.objective and head not in table:
        what = f"a student with head = {head} has no objective of its own " + ("with a teacher" if taught else "without a teacher")
        raise ConfigError(what, hint="--set student.objective=..., or another head")
    return shape, head, params.objective or table[head] or PRESETS[params.preset]["student"]["objective"]
