"""The reasoning unit of DualVGR: U cycles of question gating, G graph layers and view attention (spec 5.3).

Symbols: B batch, C clips, T tokens, w = word_dim, d = module_dim, U = unit_layers, G = graph_layers.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cache.errors import one_of
from systems.videoqa.fusion import MFB
from systems.videoqa.gate import QueryPunishment, WordAttention, WordSoftmax
from systems.videoqa.graph import GRAPH_DROPOUT, HEADS, PunishGAT, attend
from systems.videoqa.question_encoder import EncodedQuestion

GraphIndex = Literal["paper", "fixed"]


class Reasoned(NamedTuple):
    """What the reasoning unit gives; every tensor is (B,C,d).

    ``fused`` is MFB(appearance, motion); ``appearance`` and ``motion`` are a and m after the last cycle; ``e_*`` the view
    attention of the last cycle. The lists have U*G entries, by cycle then layer: common (``com_*``) and specific graphs.
    """

    fused: Tensor
    appearance: Tensor
    motion: Tensor
    e_appearance: Tensor
    e_motion: Tensor
    com_app: list[Tensor]
    com_motion: list[Tensor]
    aq_fusion: list[Tensor]
    mq_fusion: list[Tensor]


class ViewAttention(nn.Module):
    """e = sum over the two views of beta z, beta = softmax over views of Linear(tanh(Linear(z))), per clip."""

    def __init__(self, module_dim: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(module_dim, module_dim), nn.Tanh(), nn.Linear(module_dim, 1, bias=False))

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return e (B,C,d) and beta (B,2,C,1) for ``views`` (B,2,C,d)."""
        beta = torch.softmax(self.project(views), dim=1)
        return (beta * views).sum(1), beta


class VisualReasoning(nn.Module):
    """Refine clip features by the question and fuse the two modalities.

    ``graph_index``: graph modules used by layer j of cycle i. ``"paper"`` takes number i + j, so that with U > 1 and
    G > 1 cycles share modules and the last ones are allocated but never used; ``"fixed"`` takes i * G + j.
    """

    def __init__(
        self,
        module_dim: int,
        word_dim: int,
        *,
        graph_layers: int,
        unit_layers: int,
        dropout: float = 1.0,
        graph_index: GraphIndex = "paper",
        word_softmax: WordSoftmax = "paper",
    ) -> None:
        super().__init__()
        one_of("graph_index", graph_index, ("paper", "fixed"))
        self.graph_layers, self.unit_layers, self.graph_index = graph_layers, unit_layers, graph_index

        def graphs() -> nn.ModuleList:
            rate = GRAPH_DROPOUT * dropout
            return nn.ModuleList(PunishGAT(module_dim, module_dim // HEADS, dropout=rate) for _ in range(unit_layers * graph_layers))

        def per_cycle(build: type[nn.Module], *sizes: int, **options: object) -> nn.ModuleList:
            return nn.ModuleList(build(*sizes, **options) for _ in range(unit_layers))

        self.queryAttn = per_cycle(WordAttention, module_dim, word_softmax=word_softmax)
        self.queryPunish_appear = per_cycle(QueryPunishment, word_dim, module_dim)
        self.queryPunish_motion = per_cycle(QueryPunishment, word_dim, module_dim)
        self.appearance_GCN, self.motion_GCN, self.acGCN, self.mcGCN = graphs(), graphs(), graphs(), graphs()
        self.attention_appearance = per_cycle(ViewAttention, module_dim)
        self.attention_motion = per_cycle(ViewAttention, module_dim)
        self.visualfusion = MFB((module_dim, module_dim), module_dim)

    def forward(self, question: EncodedQuestion, lengths: Tensor, appearance: Tensor, motion: Tensor) -> Reasoned:
        """Reason over ``appearance`` and ``motion``, each (B,C,d), for questions of ``lengths`` (B,)."""
        layers: list[Tensor] = []
        e_appearance = e_motion = appearance
        for cycle in range(self.unit_layers):
            guide, _ = self.queryAttn[cycle](question.words, question.states, lengths)
            gate = torch.stack([self.queryPunish_appear[cycle](guide, appearance), self.queryPunish_motion[cycle](guide, motion)])
            outputs = self._graphs(cycle, torch.stack([appearance, motion]), gate)
            layers += outputs
            common_app, specific_app, common_motion, specific_motion = outputs[-1].unbind(0)
            e_appearance, _ = self.attention_appearance[cycle](torch.stack([common_app, specific_app], dim=1))
            e_motion, _ = self.attention_motion[cycle](torch.stack([common_motion, specific_motion], dim=1))
            appearance, motion = appearance + e_appearance, motion + e_motion
        com_app, aq_fusion, com_motion, mq_fusion = (list(tensors) for tensors in zip(*(layer.unbind(0) for layer in layers)))
        fused = self.visualfusion(appearance, motion)
        return Reasoned(fused, appearance, motion, e_appearance, e_motion, com_app, com_motion, aq_fusion, mq_fusion)

    def _graphs(self, cycle: int, x: Tensor, gate: Tensor) -> list[Tensor]:
        """Run the G graph layers of a cycle: ``x`` (2,B,C,d) appearance and motion, ``gate`` (2,B,C).

        Return G tensors (4,B,C,d): common and specific of appearance, then of motion. Both read the same x; only the
        specific one feeds the next layer. The gate of the cycle's input serves all its layers.
        """
        gate = gate.repeat_interleave(2, dim=0)
        outputs = []
        for layer in range(self.graph_layers):
            number = cycle + layer if self.graph_index == "paper" else cycle * self.graph_layers + layer
            modules = [bank[number] for bank in (self.acGCN, self.appearance_GCN, self.mcGCN, self.motion_GCN)]
            out = attend(modules, x.repeat_interleave(2, dim=0), gate)
            outputs.append(out)
            x = out[1::2]
        return outputs
