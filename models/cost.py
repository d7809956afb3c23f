"""What a network costs: parameters, and arithmetic as torch counts it while the network runs.

One multiply-add counts as two FLOPs. Products (Linear, convolution, attention) are counted, element-wise work is not, as is usual. LSTMs
are counted by formula, because torch runs them as one fused operation in some modes: a layer with input x and state h, per step and
direction, takes 2·4h·(x + h) FLOPs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode


def parameters(model: nn.Module) -> int:
    """Number of trainable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def flops(model: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[str], int]:
    """FLOPs of one forward pass: of the whole network (``""``), or of the module with that name."""
    lstms = {name: module for name, module in model.named_modules() if isinstance(module, nn.LSTM)}
    counted: dict[str, int] = {}
    hooks = [module.register_forward_hook(_counting(counted, name)) for name, module in lstms.items()]
    counter = FlopCounterMode(display=False)
    try:
        with counter:
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    by_module = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}
    root = type(model).__name__

    def of(prefix: str) -> int:
        """Torch's count below a module, with the LSTMs in it counted by formula."""
        inside = [name for name in lstms if not prefix or name == prefix or name.startswith(f"{prefix}.")]
        torchs = by_module.get(f"{root}.{prefix}" if prefix else "Global", 0)
        return torchs + sum(counted[name] - by_module.get(f"{root}.{name}", 0) for name in inside)

    return of


def lstm_flops(module: nn.LSTM, steps: int) -> int:
    """FLOPs of an LSTM over ``steps`` steps in all (the sum of the lengths of its sequences)."""
    directions = 2 if module.bidirectional else 1
    total = 0
    for layer in range(module.num_layers):
        width = module.input_size if layer == 0 else directions * module.hidden_size
        total += directions * steps * 2 * 4 * module.hidden_size * (width + module.hidden_size)
    return total


def _counting(counted: dict[str, int], name: str) -> Any:
    def hook(module: nn.LSTM, inputs: tuple[Any, ...], _: Any) -> None:
        x = inputs[0]
        steps = x.data.shape[0] if isinstance(x, PackedSequence) else x.shape[0] * x.shape[1]
        counted[name] = counted.get(name, 0) + lstm_flops(module, steps)

    return hook
