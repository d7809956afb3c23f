"""A student: a backbone and a head (spec C.2 and C.3)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from systems.litemkd.backbone import Backbone
from systems.litemkd.heads import Head, Outputs, Prepared
from systems.litemkd.kinds import check_shape


class Student(nn.Module):
    """Support clips (Ns, T, 3, H, W), their labels (Ns,) and query clips to named logits (Nq, W) and support distances.

    State: ``backbone.*`` and ``classifier.*``, as published. Raises ConfigError if the head compares a feature that the shape does
    not give.
    """

    def __init__(
        self,
        network: str,
        shape: str,
        head: str,
        dim: int = 2048,
        out_dim: int = 1152,
        frames: int = 8,
        dropout: float = 0.1,
        *,
        support_grouping: str = "label",
        net: Any = None,
    ) -> None:
        super().__init__()
        check_shape(shape, head)
        self.backbone = Backbone(network, shape, dim, frames, dropout, net)
        self.classifier = Head(head, self.backbone.dim, out_dim, frames, dropout, support_grouping=support_grouping)

    def forward(self, support: Tensor, labels: Tensor, query: Tensor) -> Outputs:
        """Support and query pass the backbone one after the other: in training mode each has its own batch statistics (quirk 10)."""
        known = self.backbone(support)
        return self.classifier(known, labels, self.backbone(query))

    def prepare(self, clips: Tensor) -> Prepared:
        """What the comparison needs of clips (N, T, 3, H, W), for :meth:`Head.match`."""
        return self.classifier.prepare(self.backbone(clips))

    def answer(self, outputs: Outputs) -> Tensor:
        """The logits (Nq, W) whose largest is the prediction."""
        return self.classifier.answer(outputs)
