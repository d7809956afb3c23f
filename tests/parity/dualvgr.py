"""Whole networks: base DualVGR, teacher and student, with all intermediate tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor

from systems.videoqa.model import DualVGR
from tests.parity.case import Case, handles

SMALL = 64
"""Networks of at most this module_dim are held to the tighter tolerance."""
TAPS = {
    "linguistic_input_unit": ("question_embedding", "word_embedding", "dynamic_question_embedding"),
    "visual_appearance_input_unit": ("appearance_encoded",),
    "visual_motion_input_unit": ("motion_encoded",),
    "feature_aggregation": ("visual_embedding",),
}
CYCLE_TAPS = {
    "queryAttn": ("word_vector", "word_attention"),
    "queryPunish_appear": ("punish_appearance",),
    "queryPunish_motion": ("punish_motion",),
    "attention_appearance": ("aq_embed", "aq_beta"),
    "attention_motion": ("mq_embed", "mq_beta"),
}


def build(config: Mapping[str, Any], *, graph_layers: int, unit_layers: int, dropout: float = 1.0) -> DualVGR:
    """Build the network of a case's configuration."""
    return DualVGR(
        vision_dim=config["vision_dim"],
        module_dim=config["module_dim"],
        word_dim=config["word_dim"],
        num_of_nodes=config["num_of_nodes"],
        question_vocab_size=config["question_vocab"],
        answer_vocab_size=config["answer_vocab"],
        graph_layers=graph_layers,
        unit_layers=unit_layers,
        dropout=dropout,
    )


def tensors(case: Case) -> list[Tensor]:
    """Return the four inputs of the network in the order of its arguments."""
    names = ("video_appearance_feat", "video_motion_feat", "question", "question_len")
    return [torch.from_numpy(case.inputs[name]) for name in names]


def tap(model: DualVGR) -> dict[str, Tensor]:
    """Return a dict that the next forward pass fills with the outputs of the inner modules, under the cases' names."""
    seen: dict[str, Tensor] = {}

    def record(names: tuple[str, ...]) -> Any:
        def hook(_module: object, _inputs: object, output: Any) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            seen.update((name, value) for name, value in zip(names, outputs))

        return hook

    for path, names in TAPS.items():
        model.get_submodule(path).register_forward_hook(record(names))
    for path, names in CYCLE_TAPS.items():
        for cycle, module in enumerate(getattr(model.visual_input_unit, path)):
            module.register_forward_hook(record(tuple(f"cycle{cycle}.{name}" for name in names)))
    return seen


@handles("dualvgr_*", "mkd_teacher_*")
def network(case: Case) -> dict[str, Tensor]:
    """A network with the graph layers that its configuration says."""
    return forward(case, case.config["graph_layers"])


@handles("mkd_student_*")
def student(case: Case) -> dict[str, Tensor]:
    """A student has one graph layer, whatever its configuration says."""
    return forward(case, 1)


@torch.no_grad()
def forward(case: Case, graph_layers: int) -> dict[str, Tensor]:
    """Run a filled network in eval mode and return everything that it computes, sliced as the case says."""
    config = case.config
    model = case.fill(build(config, graph_layers=graph_layers, unit_layers=config.get("unit_layers", 1))).eval()
    got = tap(model)
    out = model(*tensors(case))
    got |= {"logits": out.logits, "visual_feat": out.fused, "aq_embed_last": out.e_appearance, "mq_embed_last": out.e_motion}
    got |= {"student_appearance_feat": out.appearance, "student_motion_feat": out.motion}
    for name in ("com_app", "com_motion", "aq_fusion", "mq_fusion"):
        got |= {f"{name}.{layer}": value for layer, value in enumerate(getattr(out, name))}
    patterns, keep = slices(case.meta.get("slices") or "")
    got = {name: value[..., ::keep] if any(map(partial(fnmatchcase, name), patterns)) else value for name, value in got.items()}
    case.allow("*", relative=1e-5 if config["module_dim"] <= SMALL else 1e-4)
    return got


def slices(note: str) -> tuple[list[str], int]:
    """Read a note such as "com_*, aq_fusion.* are stored as [..., ::8]": the patterns of the names, and every how many."""
    found = re.fullmatch(r"(.+) (?:is|are) stored as \[\.\.\., ::(\d+)\]", note.strip())
    return (re.split(r",\s*", found[1]), int(found[2])) if found else ([], 1)
