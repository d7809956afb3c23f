"""The attention of a teacher that learns no more, without gradients and with its normalisation folded (quirk R8)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.backbones.i3d_frozen import FrozenI3D
from systems.gkd.attention import attend
from systems.gkd.recognition.network import Recogniser


class FrozenTeacher:
    """Clips (B, C, T, S, S) to the attention (B, 1024, T/8), as ``net`` in evaluation mode gives it now."""

    def __init__(self, net: Recogniser) -> None:
        self.trunk = FrozenI3D(net.backbone.net)
        self.reduction, self.head = net.deconv1, net.Att_Head_5c

    @torch.no_grad()
    def __call__(self, clips: Tensor) -> Tensor:
        last = self.trunk.endpoints[-1]
        return attend(self.reduction, self.head, self.trunk.maps(clips, (last,))[last])
