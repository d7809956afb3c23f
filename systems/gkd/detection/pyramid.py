"""The AFSD head: a temporal pyramid over two feature maps, coarse predictions at every position, and refined ones.

Distances are in frames of the clip. Module names are those of the published state dicts (under ``coarse_pyramid_detection``).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from systems.gkd.detection import levels
from systems.gkd.detection.boundary_pooling import boundary_max_pooling
from systems.gkd.detection.branch import ProposalBranch
from systems.gkd.detection.layers import Unit1d, WholeMap, normed
from systems.gkd.detection.proposals import joined, level_lengths, priors_of, proposals, widened
from systems.gkd.detection.shape import Shape

#: anchor, positive, negative: (B, channels) each
Triple = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Detections:
    """What the head says of B clips, at N positions and K classes (0: background).

    loc:       distances from the position to start and end, in frames, (B, N, 2), > 0.
    conf:      logits (B, N, K).
    prop_loc:  correction of ``loc``, in halves of its length, (B, N, 2).
    prop_conf: refined logits (B, N, K).
    center:    logit of the refined overlap, (B, N, 1).
    priors:    positions as shares of the clip, (N, 1).
    start, end: activations (B, frames, C); ``*_loc_prop``, ``*_conf_prop``: those of the two branches at level 0 (B, frames / 4, C).
    """

    loc: Tensor
    conf: Tensor
    prop_loc: Tensor
    prop_conf: Tensor
    center: Tensor
    priors: Tensor
    start: Tensor
    end: Tensor
    start_loc_prop: Tensor
    end_loc_prop: Tensor
    start_conf_prop: Tensor
    end_conf_prop: Tensor


class ScaledExponential(nn.Module):
    """exp(scale x), with a scale that is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(self.scale * x)


class CoarsePyramid(nn.Module):
    """Mixed_4f (B, C4, T / 4, s4, s4) and Mixed_5c (B, C5, T / 8, s5, s5) -> :class:`Detections`.

    pooling_gradient: ``true`` or ``published``, of the pooling of the frame-level feature (quirk D3).
    """

    def __init__(self, shape: Shape, pooling_gradient: str = "true") -> None:
        super().__init__()
        width = shape.head_channels
        self.frames, self.lengths, self.pooling_gradient = shape.frames, level_lengths(shape.frames, shape.levels), pooling_gradient
        whole = (WholeMap(shape.channels_4f, width, shape.size_4f), WholeMap(shape.channels_5c, width, shape.size_5c))
        strided = (Unit1d(width, width, 3, 2) for _ in self.lengths[2:])
        self.pyramids = nn.ModuleList(normed(unit, width) for unit in (*whole, *strided))
        self.loc_heads = nn.ModuleList(ScaledExponential() for _ in self.lengths)
        self.loc_tower = nn.Sequential(*(normed(Unit1d(width, width, 3), width) for _ in range(2)))
        self.conf_tower = nn.Sequential(*(normed(Unit1d(width, width, 3), width) for _ in range(2)))
        self.loc_head = Unit1d(width, 2, 3)
        self.conf_head = Unit1d(width, shape.n_classes, 3)
        self.loc_proposal_branch = ProposalBranch(width)
        self.conf_proposal_branch = ProposalBranch(width)
        self.prop_loc_head = Unit1d(width, 2, 1)
        self.prop_conf_head = Unit1d(width, shape.n_classes, 1)
        self.center_head = Unit1d(width, 1, 3)
        self.deconv = nn.Sequential(*itertools.chain(*(normed(Unit1d(width, width, kernel), width) for kernel in (3, 3, 1))))
        self.register_buffer("priors", priors_of(self.lengths), persistent=False)
        self.priors: Tensor
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot-uniform convolutions; then N(0, 0.01) in towers, branches and heads. Biases 0."""
        drawn_again = ("loc_tower", "conf_tower", "loc_head", "conf_head", "loc_proposal", "conf_proposal", "prop_", "center_head")
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv1d | nn.Conv3d):
                nn.init.xavier_uniform_(module.weight)
                if name.startswith(drawn_again):
                    nn.init.normal_(module.weight, std=0.01)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def pyramid(self, map_4f: Tensor, map_5c: Tensor) -> Tensor:
        """All levels, one after the other: (B, C, N)."""
        fine = self.pyramids[0](map_4f).flatten(2)
        coarse = self.pyramids[1](map_5c).flatten(2)
        found = [fine + F.interpolate(coarse, size=fine.shape[2], mode="nearest"), coarse]
        for module in self.pyramids[2:]:
            found.append(module(found[-1]))
        return torch.cat(found, 2)

    def frame_level(self, pyramid: Tensor) -> Tensor:
        """The feature of every frame (B, C, frames): starts in the first half of the channels, ends in the second."""
        finest = pyramid[..., : self.lengths[0]]
        feature: Tensor = self.deconv(F.interpolate(finest, size=self.frames, mode="nearest"))
        return feature

    def _tower(self, tower: nn.Sequential, x: Tensor) -> Tensor:
        for block in tower:
            assert isinstance(block, nn.Sequential)
            x = levels.layer(block, x, self.lengths)
        return x

    def coarse_classes(self, map_4f: Tensor, map_5c: Tensor) -> Tensor:
        """Only the coarse logits (B, N, K), the same as in :class:`Detections`: all that the loss reads of the background."""
        towered = self._tower(self.conf_tower, self.pyramid(map_4f, map_5c))
        return levels.convolved(self.conf_head, towered, self.lengths).transpose(1, 2)

    def forward(self, map_4f: Tensor, map_5c: Tensor) -> Detections:
        lengths, pyramid = self.lengths, self.pyramid(map_4f, map_5c)
        frames = self.frame_level(pyramid)
        loc_x, conf_x = self._tower(self.loc_tower, pyramid), self._tower(self.conf_tower, pyramid)
        raw = levels.convolved(self.loc_head, loc_x, lengths).split(lengths, 2)
        loc = torch.cat([scaled(part) for scaled, part in zip(self.loc_heads, raw, strict=True)], 2).transpose(1, 2)
        conf = levels.convolved(self.conf_head, conf_x, lengths).transpose(1, 2)
        level_segments, frame_segments = proposals(loc, self.priors, lengths, self.frames)
        pooled, segments = self._frame_pooled(frames, frame_segments), joined(level_segments, lengths)
        loc_b, conf_b = self.loc_proposal_branch.boundary(loc_x, lengths), self.conf_proposal_branch.boundary(conf_x, lengths)
        loc_feature = self.loc_proposal_branch(loc_x, loc_b, pooled, segments, lengths)
        conf_feature = self.conf_proposal_branch(conf_x, conf_b, pooled, segments, lengths)
        halves = [map_.transpose(1, 2).chunk(2, 2) for map_ in (frames, loc_b[..., : lengths[0]], conf_b[..., : lengths[0]])]
        return Detections(
            loc,
            conf,
            self.prop_loc_head(loc_feature).transpose(1, 2),
            self.prop_conf_head(conf_feature).transpose(1, 2),
            levels.convolved(self.center_head, loc_feature, lengths).transpose(1, 2),
            self.priors,
            *itertools.chain(*halves),
        )

    def _frame_pooled(self, frames: Tensor, segments: Tensor) -> Tensor:
        """Frame-level features pooled at the boundaries of every position; both branches use them."""
        if self.pooling_gradient == "true":
            return boundary_max_pooling(frames, segments)
        parts = segments.split(self.lengths, 1)  # the published gradient depends on how many segments a call has
        return torch.cat([boundary_max_pooling(frames, part, self.pooling_gradient) for part in parts], 2)

    def contrast(self, map_4f: Tensor, map_5c: Tensor, segments: Tensor) -> list[Triple]:
        """Anchor, positive and negative of the contrastive branch, at frame level and in the two branches at level 0.

        ``segments`` (B, 3, 2) in frames of a contrastive clip: the action before the cut, the one after it, what was put in between.
        The anchor is the end of the first, the positive the start of the second, the negative the start of the third.
        """
        pyramid, finest = self.pyramid(map_4f, map_5c), self.lengths[:1]
        loc_x, conf_x = self._tower(self.loc_tower, pyramid), self._tower(self.conf_tower, pyramid)
        start, end = segments.unbind(-1)
        wide = widened(start, end, end - start + 1)
        maps = [
            (self.frame_level(pyramid), 1),
            (self.loc_proposal_branch.boundary(loc_x[..., : finest[0]], finest), 4),
            (self.conf_proposal_branch.boundary(conf_x[..., : finest[0]], finest), 4),
        ]
        return [_triple(boundary_max_pooling(x, wide / stride, self.pooling_gradient)) for x, stride in maps]


def _triple(pooled: Tensor) -> Triple:
    starts, ends = pooled.chunk(2, 1)
    return ends[..., 0], starts[..., 1], starts[..., 2]
