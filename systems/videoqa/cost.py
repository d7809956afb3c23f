"""What a network costs per question (:mod:`models.cost`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models import cost
from systems.videoqa.model import DualVGR

#: the modules whose work depends on the video alone: done once for all its questions
VIDEO_MODULES = ("visual_appearance_input_unit", "visual_motion_input_unit")


def parameters(model: nn.Module) -> dict[str, int]:
    """Number of parameters: in all, and without those that grow with the vocabularies (spec 13 counts 300·Q + 769·A apart)."""
    total = cost.parameters(model)
    assert isinstance(model, DualVGR)
    last = model.output_unit.classifier[-1]
    vocabulary = model.linguistic_input_unit.encoder_embed.weight.numel() + cost.parameters(last)
    return {"parameters": total, "parameters_without_vocabulary": total - vocabulary}


def flops(model: DualVGR, inputs: tuple[Tensor, ...]) -> dict[str, int]:
    """FLOPs of one forward pass, in all and of the part that depends on the video alone.

    ``inputs`` are those of the network for one question: appearance (1,C,F,V), motion (1,C,V), question (1,T), length (1,).
    """
    of = cost.flops(model, inputs)
    return {"flops": of(""), "flops_of_video": sum(of(name) for name in VIDEO_MODULES)}


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
