"""The multi-modal teacher: frame features of two to five modalities, fused, and a head on what comes of it (MFM, spec C.5).

In the published one, rgb meets depth and flow in one block of three and in blocks of two, where the other modality is shifted by a frame:

    F = triple(rgb, depth, flow) + pair(rgb, rot(depth)) + pair(rgb, rot(flow)),    rot(x) = frames s..T-1, then 0..s-1

All pairs have the same weights. In its code the shift of the flow is lost while it trains and is there when it dumps (quirk 2); other
variants have the like. :class:`Shifts` says which of it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cache.errors import ConfigError, one_of
from systems.litemkd.fusion import Fusion
from systems.litemkd.otam import otam
from systems.litemkd.trx import TRX

SHIFT = ("rotate", "none")


@dataclass(frozen=True)
class Variant:
    """Which blocks a teacher has.

    ``joint``: how many of the first modalities meet in one block (0: no such block), which is called ``block``. ``pairs``: which modalities
    meet the first one, and when they are shifted: ``never``, ``always``, ``flow`` or ``plain`` (:class:`Shifts` says when) or ``halves``
    (support clips always, queries by :class:`Shifts`).
    """

    joint: int = 0
    pairs: tuple[tuple[int, str], ...] = ()
    block: str = "three_fusion"
    head: str = "trx"

    @property
    def modalities(self) -> int:
        """How many it takes."""
        return max(self.joint, 1 + max((number for number, _ in self.pairs), default=0))


PAIRED = ((1, "always"), (2, "flow"))

VARIANTS: Mapping[str, Variant] = {
    "shift": Variant(3, PAIRED),  # the published teacher
    "shift-otam": Variant(3, PAIRED, head="otam"),
    "plain": Variant(3, ((1, "plain"), (2, "plain"))),
    "joint": Variant(3, block="fusion_temproal"),
    "two": Variant(0, ((1, "never"),)),
    "two-shift": Variant(0, ((1, "never"), (1, "halves"))),
    "four": Variant(4, ((1, "always"), (2, "never"), (3, "never")), "four_fusion"),
    "five": Variant(3, ((1, "always"), (2, "never"), (3, "never"), (4, "always"))),
    "pairs-three": Variant(0, ((1, "always"), (2, "never"))),
    "pairs-four": Variant(0, ((1, "never"), (2, "never"), (3, "never"))),
}


@dataclass(frozen=True)
class Shifts:
    """What is shifted where the published code contradicts itself. Each is ``"rotate"`` or ``"none"``; the defaults are our repair.

    ``flow_train``, ``flow_dump``: the flow of ``shift``, while training and evaluating, and in dumps. ``plain_dump``: both pairs of
    ``plain`` in dumps; in training they are not shifted. ``query``: the queries of ``two-shift``, whose support clips are shifted.
    """

    flow_train: str = "rotate"
    flow_dump: str = "rotate"
    plain_dump: str = "none"
    query: str = "rotate"

    def __post_init__(self) -> None:
        for name in ("flow_train", "flow_dump", "plain_dump", "query"):
            one_of(name, getattr(self, name), SHIFT)

    def applies(self, rule: str, side: str) -> bool:
        """Whether a pair under ``rule`` is shifted on a ``side``: ``support``, ``query`` or ``dump``."""
        dumping = side == "dump"
        if rule == "flow":
            return (self.flow_dump if dumping else self.flow_train) == "rotate"
        if rule == "plain":
            return dumping and self.plain_dump == "rotate"
        return rule == "always" or (rule == "halves" and (side != "query" or self.query == "rotate"))


FIXED, RELEASED = Shifts(), Shifts(flow_train="none", plain_dump="rotate", query="none")


class MFM(nn.Module):
    """Support clips, labels (Ns,) and query clips to logits (Nq, W); clips are a sequence of (N, T, D), one for each modality, rgb first.

    ``standardise`` (not published): features are brought to the ``mean`` 0 and the ``deviation`` 1 of :meth:`measure` first.

    State: ``fusion.*`` (pairs), ``three_fusion.*`` (or ``four_fusion``, ``fusion_temproal``), ``bracnch.transformers.<i>.*``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        variant: str = "shift",
        dim: int = 2048,
        out_dim: int = 1152,
        cardinalities: Sequence[int] = (2,),
        layers: int = 2,
        frames: int = 8,
        dropout: float = 0.1,
        *,
        feedforward: int = 2048,
        shift: int = 1,
        shifts: Shifts = FIXED,
        otam_logits: str = "distance",
        standardise: bool = False,
    ) -> None:
        super().__init__()
        one_of("variant", variant, VARIANTS)
        self.variant, self.shift, self.shifts, self.otam_logits = VARIANTS[variant], shift, shifts, otam_logits
        self.standardise = standardise
        if standardise:
            self.register_buffer("mean", torch.zeros(self.variant.modalities, dim))
            self.register_buffer("deviation", torch.ones(self.variant.modalities, dim))
        if self.variant.pairs:
            self.fusion = Fusion(2, dim, layers, frames, dropout, feedforward)
        if self.variant.joint:
            self.add_module(self.variant.block, Fusion(self.variant.joint, dim, layers, frames, dropout, feedforward))
        if variant == "joint":
            self.f1 = nn.Linear(3 * dim, dim)  # in published states; in no formula
        if self.variant.head == "trx":
            self.bracnch = TRX(dim, out_dim, cardinalities, frames, dropout)

    @property
    def sided(self) -> bool:
        """Whether a clip is fused in one way as support and in another as query."""
        rules = {rule for _, rule in self.variant.pairs}
        return any(self.shifts.applies(rule, "support") != self.shifts.applies(rule, "query") for rule in rules)

    @torch.no_grad()
    def measure(self, clips: Sequence[Tensor]) -> None:
        """Take mean and deviation of every number of the features (N, T, D) of each modality; what never changes is left as it is."""
        for number, clip in enumerate(clips):
            self.mean[number] = clip.mean((0, 1))
            deviation = clip.std((0, 1))
            self.deviation[number] = torch.where(deviation > 0, deviation, torch.ones_like(deviation))

    def fuse(self, clips: Sequence[Tensor], side: str) -> Tensor:
        """The fused feature (N, T, D) of clips on a side: ``support``, ``query`` or ``dump``. Raises ConfigError if one is missing."""
        if len(clips) != self.variant.modalities:
            raise ConfigError(f"this teacher fuses {self.variant.modalities} modalities, and was given {len(clips)}")
        if self.standardise:
            clips = [(clip - mean) / deviation for clip, mean, deviation in zip(clips, self.mean, self.deviation, strict=True)]
        total = self.get_submodule(self.variant.block)(*clips[: self.variant.joint]) if self.variant.joint else torch.zeros(())
        if self.variant.pairs:
            others = [self._shifted(clips[number], rule, side) for number, rule in self.variant.pairs]
            pairs = self.fusion(clips[0].repeat(len(others), 1, 1), torch.cat(others))  # the same weights: one pass
            total = total.to(pairs) + pairs.unflatten(0, (len(others), -1)).sum(0)
        return total

    def _shifted(self, clip: Tensor, rule: str, side: str) -> Tensor:
        return clip.roll(-self.shift, 1) if self.shifts.applies(rule, side) else clip

    def match(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Logits (Nq, W) of fused features (N, T, D)."""
        if self.variant.head == "otam":
            return otam(support, labels, query, logits=self.otam_logits)
        return self.bracnch(support, labels, query)

    def forward(self, support: Sequence[Tensor], labels: Tensor, query: Sequence[Tensor]) -> Tensor:
        return self.match(self.fuse(support, "support"), labels, self.fuse(query, "query"))
