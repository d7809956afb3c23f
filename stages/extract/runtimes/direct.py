"""``eager`` without Winograd's convolutions: the same sums wherever there is a C compiler and where there is none."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from stages.extract.runtimes.eager import prepare_packed


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int) -> Callable[[Tensor], Tensor]:
    """See :func:`stages.extract.runtimes.prepare`."""
    return prepare_packed(net, example, precision, winograd=False)
