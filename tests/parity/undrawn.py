"""Networks whose first weights are not drawn, since the numbers of a case take their place at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor

DRAWS = (
    "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_",
)  # fmt: skip


def _leave(tensor: Tensor, *how: Any, **more: Any) -> Tensor:
    with torch.no_grad():
        return tensor.fill_(torch.nan)  # so that an entry that nothing fills afterwards is seen in every output


@contextlib.contextmanager
def undrawn() -> Iterator[None]:
    """Inside, what ``torch.nn.init`` would draw is NaN, which takes no time; what it sets to a constant is as ever."""
    with mock.patch.multiple(torch.nn.init, **dict.fromkeys(DRAWS, _leave)):
        yield
