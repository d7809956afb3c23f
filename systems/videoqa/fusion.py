"""Multi-modal factorised bilinear pooling of two features (MFB, Yu et al., ICCV 2017; spec 5.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MFB(nn.Module):
    """z = sum over ``factor`` adjacent entries of ELU(A x0) * ELU(B x1); out = ELU(C z).

    ``normalize`` adds a signed square root and an L2 normalisation over dimension 1 to z (2-D inputs; DualVGR leaves it off).
    """

    def __init__(
        self, input_dims: tuple[int, int], output_dim: int, *, mm_dim: int = 256, factor: int = 2, normalize: bool = False
    ) -> None:
        super().__init__()
        self.mm_dim, self.factor, self.normalize = mm_dim, factor, normalize
        self.linear0 = nn.Linear(input_dims[0], mm_dim * factor)
        self.linear1 = nn.Linear(input_dims[1], mm_dim * factor)
        self.linear_out = nn.Linear(mm_dim, output_dim)

    def forward(self, x0: Tensor, x1: Tensor) -> Tensor:
        """Fuse ``x0`` (...,d0) and ``x1`` (...,d1) to (...,output_dim)."""
        product = F.elu(self.linear0(x0)) * F.elu(self.linear1(x1))
        z = product.unflatten(-1, (self.mm_dim, self.factor)).sum(-1)
        if self.normalize:
            z = torch.sqrt(F.relu(z)) - torch.sqrt(F.relu(-z))
            z = F.normalize(z, p=2.0, dim=1)
        return F.elu(self.linear_out(z))
