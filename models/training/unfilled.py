"""Networks built without memory, for weights that are read afterwards.

On the device ``meta`` PyTorch answers a random fill with its Python references, and these load its compiler, which takes seconds. So
fills do nothing here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

FILLS = frozenset({Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_})


class _WithoutFills(TorchFunctionMode):
    """Leaves out what would only fill a tensor."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in FILLS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def unfilled() -> Iterator[None]:
    """Inside, tensors have shapes and no memory, and first weights are not drawn."""
    with torch.device("meta"), _WithoutFills():
        yield
