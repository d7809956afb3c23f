"""Names of the published code, as its options and classes spell them, and ours (spec C.2, C.4, C.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cache.errors import ConfigError, nearest

#: backbone of a student -> trunk, shape
BACKBONES: Mapping[str, tuple[str, str]] = {
    "resnet18_2fc": ("resnet18", "d2m"),
    "resnet50_2fc": ("resnet50", "d2m"),
    "moblienetv3_fc2": ("mobilenet_v3_large", "d2m"),
    "resnet18_student": ("resnet18", "plain"),
    "resnet50_student": ("resnet50", "bare"),
    "resnet50_stduent": ("resnet50", "bare"),
    "moblienetv3": ("mobilenet_v3_large", "plain"),
    "meta_baseline": ("resnet50", "plain"),
    "meta_baseline_fc2": ("resnet50", "pooled-d2m"),
    "strm18_student": ("resnet18", "strm-d2m"),
    "strmbackbone": ("resnet18", "strm"),
}
#: head of a student, or frozen head of a teacher -> ours
HEADS: Mapping[str, str] = {
    "TRX": "trx",
    "TRX_fixed": "trx",
    "TRX_2fc": "trx-two",
    "TRX_2fcsup": "d2m",
    "TRX_2fcsup_2": "d2m-both",
    "TRX_1fc_sup": "trx-support",
    "TRX_2fcsup_fixed": "trx-support",
    "TRX_sup": "trx-prototypes",
    "TRX_sup_fixed": "trx-prototypes",
    "CTX": "ctx",
    "cos": "distance",
    "e_dist": "distance",
    "e_dist_fc2": "distance-two",
    "e_dist_1fc_sup": "distance-support",
    "e_dist_fc2_sup_fixed": "distance-support",
    "e_dist_fc2_sup": "distance-d2m",
    "strmclassifiers": "strm",
    "strm_1fc_sup": "strm-support",
    "strm_res18": "strm-two",
    "strm_res18_sup": "strm-d2m",
    "train_teacher": "trx",
    "test_teacher": "trx",
    "test_teacher_TRX_sup_fixed": "trx-prototypes",
    "test_teacher_TRX_2fcsup_fixed": "trx-support",
}
#: class of a multi-modal teacher -> variant
TEACHERS: Mapping[str, str] = {
    "ThreeTRXShiftLoopTime": "shift",
    "OTAMThreeTRXShiftLoopTime": "shift-otam",
    "ThreeTRXCombination": "plain",
    "ThreeStrm": "joint",
    "TwoTRX": "two",
    "TwoTRXShuffleTime": "two-shift",
    "FourShiftFusion": "four",
    "FiveShiftFusion": "five",
    "ThreeCombinationTRX": "pairs-four",
    "TwoCombinationShiftTRX": "pairs-three",
}
#: class of a single-modality network -> ours
SINGLE: Mapping[str, str] = {"TRX": "trx", "TRM": "trm", "Baseline": "baseline", "CNN_STRM": "strm"}

Name = TypeVar("Name", str, tuple[str, str])


def ours(table: Mapping[str, Name], name: str, what: str) -> Name:
    """Our name of a published one. Raises ConfigError naming the nearest."""
    if name not in table:
        raise ConfigError(f"the published code has no {what} {name!r}", hint=nearest(name, list(table)))
    return table[name]
