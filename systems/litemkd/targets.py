"""What a teacher says of an episode to a student: a frozen head on dumped features (spec C.3, E).

The head is the teacher's cross-transformer of pairs, or one of random weights (quirk 3, switch ``teacher_head``), and drops out only under
the switch ``teacher_dropout`` (quirk 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from cache.errors import ConfigError
from cache.json_files import read_json
from systems.litemkd.dumped import Dumped
from systems.litemkd.heads import Head, Outputs
from systems.litemkd.kinds import FROZEN, HeadKind

#: role of a network -> what its cross-transformers are called
CALLED = {"teacher": "bracnch.transformers", "expert": "transformers"}
#: Of a frozen head of random weights, beside the seed of the training.
RANDOM_HEAD = 3


class Targets:
    """Named outputs of the frozen head for an episode, and ``feature``: the teacher's features of support, then query clips."""

    def __init__(self, features: Dumped, head: Head, device: str, *, dropout: bool) -> None:
        self._features, self._device = features, device
        self.head = head.to(device).requires_grad_(False).train(dropout)

    def features(self, ids: Sequence[str]) -> Tensor:
        """The teacher's features of videos: (N, T, D)."""
        return self._features.features(ids)

    @torch.no_grad()
    def __call__(self, support: Tensor, labels: Tensor, query: Tensor) -> Outputs:
        """Of features of support and query clips."""
        known, asked = support.to(self._device), query.to(self._device)
        return {**self.head({"first": known}, labels, {"first": asked}), "feature": torch.cat([known, asked])}


def frozen_head(params: Any, student: HeadKind, features: Dumped, network: Path | None) -> Head:
    """The head on a teacher's features for a student of such a head. ``network`` is the artifact of the teacher, or of the expert.

    Raises ConfigError if it has no such head.
    """
    name, options = FROZEN[student.matching], {"frames": features.frames, "support_grouping": params.switch("support_grouping")}
    if FROZEN[student.matching] == "distance-support":
        return Head(name, features.width, **options)
    if network is None:
        state = torch.random.get_rng_state()
        torch.manual_seed(int(np.random.SeedSequence([params.seed, RANDOM_HEAD]).generate_state(1)[0]))
        head = Head(name, features.width, params.out_dim, dropout=params.dropout, **options)
        torch.random.set_rng_state(state)
        return head
    about = read_json(network / "model.json")
    arguments, role = about["arguments"], about["role"]
    if 2 not in arguments.get("cardinalities", ()) or arguments.get("variant") == "shift-otam" or arguments.get("kind") == "baseline":
        what = f"the {role} that the student learns from has no cross-transformer of pairs"
        raise ConfigError(what, hint="--set student.teacher_head=random, or give it one: cardinalities, variant, kind")
    prefix = f"{CALLED[role]}.{arguments['cardinalities'].index(2)}."
    with safe_open(network / "model.safetensors", "pt") as file:
        weights = {f"transformers.{key.removeprefix(prefix)}": file.get_tensor(key) for key in list(file.keys()) if key.startswith(prefix)}
    head = Head(name, features.width, arguments["out_dim"], dropout=arguments["dropout"], **options)
    head.load_state_dict(weights)
    return head
