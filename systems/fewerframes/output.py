"""What every network of this system returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """``representation`` (B,H) is what L_rep compares; ``probabilities`` (B,C); ``logits`` (B,C), None behind a mixture of experts."""

    representation: Tensor
    probabilities: Tensor
    logits: Tensor | None
