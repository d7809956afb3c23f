"""The gate before a runtime: its outputs for a real batch must be those of the plain network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cache.errors import ConfigError, DataError

#: precision -> largest difference allowed, relative to the largest feature of the batch.
#: float32: other orders of summing only. The others: 8 and 11 bits of mantissa, or 256 steps, through a hundred layers.
ALLOWED = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2, "int8": 2e-1}


def admit(feature: Callable[[Tensor], Tensor], net: nn.Module, batch: Tensor, precision: str, what: str) -> float:
    """Return the largest difference from ``net.feature(batch)``, relative to its largest value.

    Raises DataError that names ``what`` if it is above what ``precision`` allows, or if the features are not finite where those of
    the plain network are, ConfigError if the device has no such operation.
    """
    with torch.inference_mode():
        want = net.feature(batch).double()  # type: ignore[operator]
        try:
            got = feature(batch).double()
        except NotImplementedError as error:
            raise ConfigError(
                f"{what}: {str(error).splitlines()[0]}", hint="this machine cannot do it; precision=float32 always works"
            ) from error
    finite = torch.isfinite(want)
    scale = float(want[finite].abs().max()) if bool(finite.any()) else 1.0
    error = float((got - want)[finite].abs().max()) / max(scale, 1e-30) if bool(finite.any()) else 0.0
    if not error <= ALLOWED[precision]:  # also if it is NaN
        raise DataError(
            f"{what} is off by {error:.1e} of the largest feature; {ALLOWED[precision]:.0e} is allowed with {precision}",
            hint="runtime=eager precision=float32 comes closest; kdpipe doctor --bench measures what this machine can do",
        )
    return error
