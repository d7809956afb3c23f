"""Between which numbers the inputs of a network's convolutions lie: what 8-bit arithmetic cuts into 256 steps.

They are measured on a few real inputs, in float32, by the network itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

#: name of a convolution in its network -> the least and the largest number of its input
Ranges = Mapping[str, tuple[float, float]]

#: digits that are kept: the last bits of another processor or number of threads make no other ranges
DIGITS = 4


@torch.inference_mode()
def ranges_of(net: nn.Module, batches: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """Mean over all rows of ``batches``, inputs (B, ...) of ``net.feature``, of a row's least and of its largest number.

    The mean, and not the extremes: one row with a number that no other has would take steps from all of them.
    """
    least: dict[str, list[Tensor]] = {}
    largest: dict[str, list[Tensor]] = {}

    def watch(name: str, part: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            axes = tuple(range(1, inputs[0].dim()))
            least.setdefault(name, []).append(inputs[0].amin(axes).double())
            largest.setdefault(name, []).append(inputs[0].amax(axes).double())

        return part.register_forward_pre_hook(note)

    hooks = [watch(name, part) for name, part in net.named_modules() if isinstance(part, (nn.Conv2d, nn.Conv3d))]
    try:
        for batch in batches:
            net.feature(batch)  # type: ignore[operator]
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (_mean(least[name]), _mean(largest[name])) for name in sorted(least)}


def _mean(rows: list[Tensor]) -> float:
    return float(f"{float(torch.cat(rows).mean()):.{DIGITS}g}")
