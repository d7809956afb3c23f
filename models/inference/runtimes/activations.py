"""Activations that oneDNN computes on the way out of a convolution: which module or function is which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class After(NamedTuple):
    """What follows a convolution, in oneDNN's words: a name, its numbers, and which of several ways ("tanh" of GELU)."""

    name: str
    numbers: tuple[float, ...] = ()
    way: str = ""

    def __call__(self, x: Tensor) -> Tensor:
        """The same by PyTorch's own operation, for a convolution that does not fuse it."""
        return x if self.name == "none" else _PLAIN[self.name](x, *self.numbers, **({"approximate": self.way} if self.way else {}))


NONE, RELU = After("none"), After("relu")

_PLAIN: dict[str, Callable[..., Tensor]] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "swish": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "gelu": F.gelu,
}
#: those without numbers, as modules and as functions
_SIMPLE: dict[Any, After] = {
    nn.ReLU: RELU,
    F.relu: RELU,
    torch.relu: RELU,
    nn.SiLU: After("swish"),
    F.silu: After("swish"),
    nn.Sigmoid: After("sigmoid"),
    torch.sigmoid: After("sigmoid"),
    nn.Tanh: After("tanh"),
    torch.tanh: After("tanh"),
    nn.Hardswish: After("hardswish"),
    F.hardswish: After("hardswish"),
    nn.Hardsigmoid: After("hardsigmoid"),
    F.hardsigmoid: After("hardsigmoid"),
}


def of_module(part: nn.Module | None) -> After | None:
    """What ``part`` is, None if it is no such activation."""
    if isinstance(part, nn.LeakyReLU):
        return After("leaky_relu", (float(part.negative_slope),))
    if isinstance(part, nn.Hardtanh):  # ReLU6 too
        return After("hardtanh", (float(part.min_val), float(part.max_val)))
    if isinstance(part, nn.GELU):
        return After("gelu", (), part.approximate)
    return _SIMPLE.get(type(part))


def of_function(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> After | None:
    """What a call of ``function`` with what follows the map in ``args`` and ``kwargs`` is; None if it is no such activation."""
    more = {key: value for key, value in kwargs.items() if key != "inplace"}
    if function in _SIMPLE:
        return None if more else _SIMPLE[function]
    if function is F.leaky_relu:
        return After("leaky_relu", (float(args[0] if args else more.get("negative_slope", 0.01)),))
    if function is F.relu6:
        return After("hardtanh", (0.0, 6.0))
    if function is F.gelu:
        return After("gelu", (), str(more.get("approximate", "none")))
    return None
