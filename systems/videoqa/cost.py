"""What a network costs: parameters, and arithmetic per question.

One multiply-add counts as two FLOPs. Products (Linear, convolution, attention) are counted by torch as they run; LSTMs by
formula, because torch runs them as one fused operation in some modes: a layer with input x and state h, per step and direction,
takes 2·4h·(x + h) FLOPs. Element-wise work is left out, as is usual.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode

from systems.videoqa.model import DualVGR

#: the modules whose work depends on the video alone: done once for all its questions
VIDEO_MODULES = ("visual_appearance_input_unit", "visual_motion_input_unit")


def parameters(model: nn.Module) -> dict[str, int]:
    """Number of parameters: in all, and without those that grow with the vocabularies (spec 13 counts 300·Q + 769·A apart)."""
    total = sum(parameter.numel() for parameter in model.parameters())
    assert isinstance(model, DualVGR)
    last = model.output_unit.classifier[-1]
    vocabulary = model.linguistic_input_unit.encoder_embed.weight.numel() + sum(p.numel() for p in last.parameters())
    return {"parameters": total, "parameters_without_vocabulary": total - vocabulary}


@torch.no_grad()
def flops(model: DualVGR, inputs: tuple[Tensor, ...]) -> dict[str, int]:
    """FLOPs of one forward pass, in all and of the part that depends on the video alone.

    ``inputs`` are those of the network for one question: appearance (1,C,F,V), motion (1,C,V), question (1,T), length (1,).
    """
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

    def corrected(prefix: str) -> int:
        """Torch's count below a module, with the LSTMs in it counted by formula."""
        inside = [name for name in lstms if not prefix or name == prefix or name.startswith(f"{prefix}.")]
        torchs = by_module.get(f"{root}.{prefix}" if prefix else "Global", 0)
        return torchs + sum(counted[name] - by_module.get(f"{root}.{name}", 0) for name in inside)

    return {"flops": corrected(""), "flops_of_video": sum(corrected(name) for name in VIDEO_MODULES)}


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


def example(model: DualVGR, about: dict[str, Any], frames: int, tokens: int, questions: int = 1) -> tuple[Tensor, ...]:
    """Inputs of ``questions`` questions of ``tokens`` tokens, each about a video of its own: the work does not depend on the values."""
    arguments = about["arguments"]
    clips, width = arguments["num_of_nodes"], arguments["vision_dim"]
    device = next(model.parameters()).device
    return (
        torch.zeros(questions, clips, frames, width, device=device),
        torch.zeros(questions, clips, width, device=device),
        torch.ones(questions, tokens, dtype=torch.int64, device=device),
        torch.full((questions,), tokens),
    )
