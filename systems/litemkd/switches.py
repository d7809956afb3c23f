"""What the published code does and nobody would do on purpose, and the two recipes, as plain data (spec E and H).

``fixed`` is the default everywhere; ``released`` brings the published behaviour back. docs/systems/litemkd.md explains each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cache.errors import one_of


@dataclass(frozen=True)
class Switch:
    """One quirk by its number in the specification: the value that mends it, the published one, and what it decides."""

    quirk: int
    fixed: str
    released: str
    what: str


SWITCHES: Mapping[str, Switch] = {
    "support_grouping": Switch(1, "label", "position", "which clips make a group of the support distances"),
    "flow_train": Switch(2, "rotate", "none", "whether the teacher's flow is shifted while it trains and is evaluated"),
    "flow_dump": Switch(2, "rotate", "rotate", "whether it is shifted in dumps"),
    "plain_dump": Switch(2, "none", "rotate", "whether the pairs of the variant 'plain', unshifted in training, are shifted in dumps"),
    "query": Switch(2, "rotate", "none", "whether the variant 'two-shift' shifts queries as it shifts support clips"),
    "teacher_head": Switch(3, "checkpoint", "random", "where the frozen head that a student learns from has its weights"),
    "teacher_dropout": Switch(4, "off", "on", "dropout in that head"),
    "dump_view": Switch(7, "centre", "random", "how pictures are cropped and mirrored in dumps; random: each modality for itself"),
    "normalise": Switch(8, "none", "none", "'imagenet': mean and deviation of ImageNet on the input, as the trunks were pretrained"),
    "first_step": Switch(12, "full", "short", "how many episodes the first step has: as many as the others (16), or one fewer"),
    "otam_logits": Switch(0, "distance", "softmax", "what the OTAM head gives out: minus the distances, or their softmax"),
}

#: What training has in common (spec E). Rates are multiplied by ``decay`` after so many episodes.
COMMON: Mapping[str, Any] = {
    "way": 5,
    "shot": 5,
    "frames": 8,
    "image_size": 224,
    "dim": 2048,
    "out_dim": 1152,
    "dropout": 0.1,
    "optimiser": "sgd",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "accumulate": 16,
    "decay": 0.1,
}
STUDENT: Mapping[str, Any] = {
    **COMMON,
    "network": "resnet18",
    "shape": "d2m",
    "head": "d2m",
    "objective": "fc_2_sup_dist",
    "temperature": 4.0,
    "lr": 1e-4,
    "milestones": (20_000, 40_000),
    "episodes": 70_010,
    "queries": 5,
}
TEACHER: Mapping[str, Any] = {
    **COMMON,
    "variant": "shift",
    "modalities": ("rgb", "depth", "flow"),
    "layers": 2,
    "cardinalities": (2,),
    "lr": {"ucf": 1e-4, "hmdb": 5e-5, "kinetics": 2e-4},
    "milestones": (),
    "episodes": 50_015,
    "queries": 4,
}
EXPERT: Mapping[str, Any] = {
    **COMMON,
    "kind": "trx",
    "network": "resnet50",
    "cardinalities": (2,),
    "lr": 1e-4,
    "milestones": (),
    "episodes": 50_010,
    "queries": 4,
}
EVALUATION: Mapping[str, Any] = {"way": 5, "shot": 5, "queries": 1, "episodes": 10_000}


def switches(which: str) -> dict[str, str]:
    """The value of every switch, ``fixed`` or ``released``."""
    one_of("switches", which, ("fixed", "released"))
    return {name: getattr(switch, which) for name, switch in SWITCHES.items()}


#: ``paper``: its figure, which has the label loss on both branches, with the quirks mended. ``released``: the code, to the letter.
PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "paper": {
        "switches": switches("fixed"),
        "student": {**STUDENT, "objective": "fc_2_sup_dist_cece"},
        "teacher": TEACHER,
        "expert": EXPERT,
        "evaluate": EVALUATION,
    },
    "released": {
        "switches": switches("released"),
        "student": STUDENT,
        "teacher": TEACHER,
        "expert": EXPERT,
        "evaluate": EVALUATION,
    },
}


def settings(params: Any) -> dict[str, str]:
    """Every switch of a record, and what it is set to: what ``model.json`` says of them."""
    known = PRESETS["paper"]["switches"]
    return {name: params.switch(name) for name in known if hasattr(params, name)}
