"""The encoder of one modality: patches, positions, blocks, final norm, under the published names (spec 3, 9)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.training.products import applied
from systems.xkd.blocks import BASE, Blocks, Width, table, token, xavier
from systems.xkd.patches import Geometry

#: an input; which of its patches are seen (B, n), in that order, or None for all; its patches, if they are there already
Input = tuple[Tensor, Tensor | None, Tensor | None]
CLS = slice(0, 1)
EVERY = slice(None)


class Projection(nn.Module):
    """``proj``: values of a patch to a token."""

    def __init__(self, values: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(values, dim)
        self.apply(xavier)

    def forward(self, x: Tensor) -> Tensor:
        return applied(self.proj, x)


class Encoder(nn.Module):
    """A vision transformer with CLS; ``blocks`` may be another encoder's (the shared trunk of ``xkd_mas`` and ``xkd_mats``)."""

    def __init__(self, geometry: Geometry, width: Width = BASE, blocks: Blocks | None = None) -> None:
        super().__init__()
        self.geometry = geometry
        self.cls_token = token(width.dim)
        self.enc_pos_embed = table(geometry.tokens, width.dim)
        self.add_module(geometry.embedding, Projection(geometry.values, width.dim))
        self.encoder = Blocks(width) if blocks is None else blocks
        self.encoder_norm = nn.LayerNorm(width.dim)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches (..., values) to (..., D), without positions."""
        tokens: Tensor = getattr(self, self.geometry.embedding)(patches)
        return tokens

    def tokens(self, x: Tensor, kept: Tensor | None = None, patches: Tensor | None = None) -> Tensor:
        """What the blocks see of an :data:`Input`: (B, 1 + N, D), CLS first. With ``kept`` (B, n), only those patches are projected."""
        return self.all_tokens([(x, kept, patches)])[0]

    def all_tokens(self, inputs: Sequence[Input]) -> list[Tensor]:
        """The :meth:`tokens` of each input; one product projects the patches of all."""
        seen = []
        for x, kept, patches in inputs:
            patches = self.geometry.patches(x) if patches is None else patches
            if kept is not None:
                patches = patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[-1]))
            seen.append(patches)
        rows = seen[0].flatten(0, 1) if len(seen) == 1 else torch.cat([patches.flatten(0, 1) for patches in seen])
        embedded = self.embed(rows).split([len(patches) * patches.shape[1] for patches in seen])
        return [self._placed(own.view(*patches.shape[:2], -1), *each[:2]) for own, patches, each in zip(embedded, seen, inputs)]

    def _placed(self, embedded: Tensor, x: Tensor, kept: Tensor | None) -> Tensor:
        """CLS, then the embedded patches of ``x``, all with their positions."""
        positions = self.geometry.positions(self.enc_pos_embed, tuple(x.shape))
        own = positions[:, 1:] if kept is None else positions[0, 1:][kept]
        first = (self.cls_token + positions[:, :1]).expand(len(x), -1, -1)
        return torch.cat([first, embedded + own], 1)

    def forward(self, x: Tensor, kept: Tensor | None = None, patches: Tensor | None = None) -> Tensor:
        """Final-normed tokens (B, 1 + N, D) of a whole input, or (B, 1 + n, D) of the patches ``kept``."""
        normed: Tensor = self.encoder_norm(self.encoder(self.tokens(x, kept, patches))[0])
        return normed

    def together(self, inputs: Sequence[Input]) -> list[Tensor]:
        """What :meth:`forward` gives for each of ``inputs``; one pass through the blocks serves all."""
        return [self.encoder_norm(found) for found in self.encoder.together(self.all_tokens(inputs))[0]]

    def attended(self, x: Tensor, asking: slice = CLS) -> tuple[Tensor, Tensor]:
        """Final-normed tokens, and the last block's attention (B, heads, n, 1 + N) of the tokens ``asking``, CLS alone by default."""
        found, weights = self.encoder(self.tokens(x), asking)
        return self.encoder_norm(found), weights


def pooled(tokens: Tensor) -> Tensor:
    """The feature (B, D): the mean of (B, 1 + N, D) without CLS."""
    return tokens[:, 1:].mean(1)
