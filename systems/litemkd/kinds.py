"""Shapes of backbones and heads as data: which features one gives, and the other compares (spec C.2, C.3, C.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cache.errors import ConfigError

#: shape -> the features that it gives: ``bare`` without a branch, ``pooled-d2m`` with the mean of the whole map instead of cells
SHAPES: Mapping[str, tuple[str, ...]] = {
    "bare": ("first",),
    "plain": ("first",),
    "d2m": ("first", "second"),
    "pooled-d2m": ("first", "second"),
    "strm": ("patches", "first"),
    "strm-d2m": ("patches", "first", "second"),
}


@dataclass(frozen=True)
class HeadKind:
    """``logits``: output -> the feature that it comes from; ``support``: so for distances; ``answer``: weights of the prediction."""

    logits: Mapping[str, str]
    answer: Mapping[str, float]
    support: Mapping[str, str] = field(default_factory=dict)
    matching: str = "trx"
    cardinality: int = 2


ONE, BOTH = {"logits": 1.0}, {"kl": 1.0, "ce": 1.0}
TWO = {"kl": "first", "ce": "second"}

HEADS: Mapping[str, HeadKind] = {
    "trx": HeadKind({"logits": "first"}, ONE),
    "ctx": HeadKind({"logits": "first"}, ONE, cardinality=1),
    "trx-two": HeadKind({"fc_1": "first", "fc_2": "second"}, {"fc_1": 1.0, "fc_2": 1.0}),
    "trx-support": HeadKind({"kl": "first"}, {"kl": 1.0}, {"sup": "first"}),  # one branch, and the frozen teacher
    "d2m": HeadKind(TWO, BOTH, {"sup": "second"}),
    "d2m-both": HeadKind(TWO, BOTH, {"sup_kl": "first", "sup_ce": "second"}),
    "trx-prototypes": HeadKind({"query": "first"}, {"query": 1.0}, matching="prototypes"),
    "distance": HeadKind({"logits": "first"}, ONE, matching="distance"),
    "distance-two": HeadKind({"fc_1": "first", "fc_2": "second"}, {"fc_1": 1.0, "fc_2": 1.0}, matching="distance"),
    "distance-support": HeadKind({"kl": "first"}, {"kl": 1.0}, {"sup": "first"}, matching="distance"),
    "distance-d2m": HeadKind(TWO, BOTH, {"sup": "second"}, matching="distance"),
    "strm": HeadKind({"pat": "patches", "fr": "first"}, {"pat": 0.1, "fr": 1.0}),
    "strm-two": HeadKind({"pat": "patches", "fr1": "first", "fr2": "second"}, {"pat": 0.2, "fr1": 1.0, "fr2": 1.0}),
    "strm-support": HeadKind({"pat": "patches", "fr": "first"}, {"pat": 0.1, "fr": 1.0}, {"sup": "first"}),
    "strm-d2m": HeadKind({"pat": "patches", "fr1": "first", "fr2": "second"}, {"pat": 0.2, "fr1": 1.0, "fr2": 1.0}, {"sup": "second"}),
}

#: how a student's head compares -> the frozen head that says the same of a teacher's features
FROZEN = {"trx": "trx-support", "distance": "distance-support", "prototypes": "trx-prototypes"}


def outputs(kind: HeadKind) -> set[str]:
    """The names of what a head gives out."""
    return {*kind.logits, *kind.support} | ({"support_set"} if kind.matching == "prototypes" else set())


def check_shape(shape: str, head: str) -> None:
    """Raise ConfigError unless backbones of this shape give what the head compares."""
    kind = HEADS[head]
    missing = sorted({*kind.logits.values(), *kind.support.values()} - set(SHAPES[shape]))
    if missing:
        fitting = [name for name, given in SHAPES.items() if {*kind.logits.values()} <= set(given)]
        what = f"head = {head} compares the feature {missing[0]!r}, which a backbone of shape = {shape} does not give"
        raise ConfigError(what, hint=f"shapes that do: {', '.join(fitting)}")
