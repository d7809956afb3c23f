"""From fused clips and the question vector to answer logits (spec 5.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.videoqa.dropout import Dropout

POOLING_DROPOUT = 0.15
CLASSIFIER_DROPOUT = 0.15


class ClipPooling(nn.Module):
    """Attention pooling over clips: v = sum over clips of s * f', with s = softmax(Linear(ELU(Linear(f')))), f' = dropout(f)."""

    def __init__(self, module_dim: int, *, dropout: float = 1.0) -> None:
        super().__init__()
        self.v_proj = nn.Linear(module_dim, module_dim, bias=False)
        self.attn = nn.Linear(module_dim, 1)
        self.dropout = Dropout(POOLING_DROPOUT * dropout)

    def forward(self, fused: Tensor) -> Tensor:
        """Pool ``fused`` (B,C,d) to (B,d)."""
        fused = self.dropout(fused)
        scores = torch.softmax(self.attn(F.elu(self.v_proj(fused))), dim=1)
        return (scores * fused).sum(1)


class AnswerDecoder(nn.Module):
    """Logits over all answers from [v ; Linear(question)]: visual first."""

    def __init__(self, module_dim: int, num_answers: int, *, dropout: float = 1.0) -> None:
        super().__init__()
        self.question_proj = nn.Linear(module_dim, module_dim)
        self.classifier = nn.Sequential(
            Dropout(CLASSIFIER_DROPOUT * dropout),
            nn.Linear(2 * module_dim, module_dim),
            nn.ELU(),
            nn.BatchNorm1d(module_dim),
            Dropout(CLASSIFIER_DROPOUT * dropout),
            nn.Linear(module_dim, num_answers),
        )

    def forward(self, question: Tensor, visual: Tensor) -> Tensor:
        """Decode ``question`` (B,d) and ``visual`` (B,d) to logits (B,A)."""
        return self.classifier(torch.cat([visual, self.question_proj(question)], dim=1))
