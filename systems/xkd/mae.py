"""The masked autoencoder of one modality, under the published names (spec 4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.training.products import applied
from systems.xkd import lean
from systems.xkd.blocks import Blocks, Width, table, token, xavier
from systems.xkd.encoder import Encoder
from systems.xkd.masking import Masking, masking

EPSILON = 1e-6
DECODER = Width(384, 4, 12)


class Reconstruction(NamedTuple):
    """latent (B, 1 + n, D) of CLS and the visible patches; prediction (B, N, values); the masking; the loss, a scalar."""

    latent: Tensor
    prediction: Tensor
    masking: Masking
    loss: Tensor


class Autoencoder(nn.Module):
    """An encoder that sees few patches and a small decoder, without a final norm, that predicts the others."""

    def __init__(self, encoder: Encoder, width: Width = DECODER) -> None:
        super().__init__()
        dim, geometry = encoder.cls_token.shape[-1], encoder.geometry
        self.dec_pos_embed = table(geometry.tokens, width.dim)
        self.mask_token = token(width.dim)
        self.encoder = encoder
        self.decoder = Blocks(width)
        self.mid_proj = nn.Identity() if dim == width.dim else nn.Linear(dim, width.dim)
        self.out_proj = nn.Identity() if width.dim == geometry.values else nn.Linear(width.dim, geometry.values)
        for part in (self.mid_proj, self.out_proj):
            part.apply(xavier)

    def forward(self, x: Tensor, noise: Tensor, ratio: float, normalise: bool = True) -> Reconstruction:
        """Hide the share ``ratio`` of the patches of ``x``, of the size that the table is for; ``noise`` is (B, N)."""
        patches, hidden = self.encoder.geometry.patches(x), masking(noise, ratio)
        latent = self.encoder(x, hidden.kept, patches)
        prediction = self.decode(latent, hidden.restore)
        return Reconstruction(latent, prediction, hidden, loss(prediction, patches, hidden.mask, normalise))

    def learn(self, x: Tensor, noise: Tensor, ratio: float, beside: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """The latent of :meth:`forward`, then the final-normed tokens of the whole views ``beside``; and the loss.

        The decoder's gradients are computed at once: it sees all patches, and would keep as much as the encoder.
        """
        patches, hidden = self.encoder.geometry.patches(x), masking(noise, ratio)
        found = self.encoder.together([(x, hidden.kept, patches)] if beside is None else [(x, hidden.kept, patches), (beside, None, None)])

        def rebuilt(latent: Tensor) -> Tensor:
            return loss(self.decode(latent, hidden.restore), patches, hidden.mask)

        own = [parameter for name, parameter in self.named_parameters() if not name.startswith("encoder.")]
        if torch.is_grad_enabled():
            return found, lean.early(rebuilt, found[0], own)
        return found, rebuilt(found[0])

    def decode(self, latent: Tensor, restore: Tensor) -> Tensor:
        """Values (B, N, values) of all patches from those seen (B, 1 + n, D)."""
        seen = self.mid_proj(latent)
        b, n, dim = len(seen), restore.shape[1], seen.shape[-1]
        rows = torch.cat([seen[:, 1:], self.mask_token.to(seen.dtype).expand(b, n + 1 - seen.shape[1], -1)], 1)
        rows = rows.gather(1, restore[..., None].expand(-1, -1, dim))
        decoded, _ = self.decoder(torch.cat([seen[:, :1], rows], 1) + self.dec_pos_embed)
        values = decoded[:, 1:]
        return applied(self.out_proj, values) if isinstance(self.out_proj, nn.Linear) else values


def target(patches: Tensor, normalise: bool = True) -> Tensor:
    """Patches (B, N, values), each brought to mean 0 and (unbiased) variance 1."""
    if not normalise:
        return patches
    centred = patches - patches.mean(-1, keepdim=True)
    variance = torch.linalg.vector_norm(centred, dim=-1, keepdim=True).square() / (patches.shape[-1] - 1)  # var_mean is slow on a CPU
    return centred * (variance + EPSILON).rsqrt()


def loss(prediction: Tensor, patches: Tensor, mask: Tensor, normalise: bool = True) -> Tensor:
    """Mean squared error of (B, N, values) over the hidden patches of the whole batch."""
    error = (prediction - target(patches, normalise)).square().mean(-1)
    return (error * mask).sum() / mask.sum()
