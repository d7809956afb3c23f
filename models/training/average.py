"""Networks that follow others as moving averages (EMA teachers)."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move every parameter of ``teacher`` to momentum · teacher + (1 - momentum) · student; both have the same parameters.

    Call it in what follows a step (``Update.after``). The teacher belongs to the task's model, so that a checkpoint holds it.
    """
    own, theirs = list(teacher.parameters()), list(student.parameters())
    torch._foreach_lerp_(own, theirs, 1.0 - momentum)
