"""Every network as something that answers episodes from features that were computed once (:mod:`systems.litemkd.protocol`).

What is kept of a clip, in float32 at the published size: 0.14 MB for each cross-transformer and branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from systems.litemkd import many
from systems.litemkd.heads import Head, Prepared
from systems.litemkd.mfm import MFM
from systems.litemkd.protocol import Answers
from systems.litemkd.single import Single
from systems.litemkd.trx import CrossTransformer, Projected

#: How many clips are prepared at a time, where they are features already.
CLIPS = 64
Clips = Iterable[Tensor]


def by_head(head: Head, prepared: Prepared) -> Answers:
    """The answers of a student: ``prepared`` is what :meth:`Head.prepare` makes of all clips."""

    def answer(support: Tensor, query: Tensor) -> Tensor:
        outputs = {}
        for output in head.kind.answer:
            clips = prepared[output]
            if output == "pat":
                outputs[output] = many.patches(clips, clips, support, query)
            elif head.kind.matching == "distance":
                outputs[output] = many.means(clips, clips, support, query)
            else:
                outputs[output] = many.cross(head.transformers, clips, clips, support, query)
        return head.answer(outputs)

    return answer


def by_single(net: Single, features: Tensor) -> Answers:
    """The answers of a network of one modality, by its features (N, T, V) of all clips."""
    if net.kind == "baseline":
        means = features.mean(1)
        return lambda support, query: many.means(means, means, support, query)
    if net.kind == "trx" or net.kind == "trm":
        return by_transformers(net.transformers, lambda clips: [clips] * 2, features)
    frames = by_transformers(net.transformers, lambda clips: [net.fr_enrich(clips)] * 2, features)
    patches = [torch.cat([head.prepare(lot) for lot in features.split(CLIPS)]) for head in net.new_dist_loss_post_pat]

    def answer(support: Tensor, query: Tensor) -> Tensor:
        near = torch.stack([many.patches(clips, clips, support, query) for clips in patches]).mean(0)
        return net.answer({"logits": frames(support, query), "pat": near})

    return answer


def by_teacher(net: MFM, modalities: Sequence[Tensor]) -> Answers:
    """The answers of a multi-modal teacher, by the features (N, T, D) of all clips in each modality; fused as its switches say."""

    def fused(places: Tensor) -> list[Tensor]:
        clips = [one[places] for one in modalities]
        return [net.fuse(clips, "support"), net.fuse(clips, "query")] if net.sided else [net.fuse(clips, "support")] * 2

    places = torch.arange(len(modalities[0]))
    if net.variant.head == "otam":
        known, asked = (torch.cat(parts) for parts in zip(*(fused(lot) for lot in places.split(CLIPS))))
        return partial(many.aligned, known, asked, logits=net.otam_logits)
    return by_transformers(net.bracnch.transformers, fused, places)


def by_transformers(heads: Iterable[Any], sides: Callable[[Tensor], list[Tensor]], clips: Tensor) -> Answers:
    """The mean of several cross-transformers. ``sides`` makes features of clips, as support and as queries."""
    known: list[list[Projected]] = []
    asked: list[list[Projected]] = []
    transformers: list[CrossTransformer] = list(heads)
    for lot in clips.split(CLIPS):
        as_support, as_query = sides(lot)
        known.append([head.project(as_support) for head in transformers])
        asked.append(known[-1] if as_query is as_support else [head.project(as_query) for head in transformers])
    one_side = all(one is other for one, other in zip(known, asked))
    supports = [joined(parts) for parts in zip(*known)]
    queries = supports if one_side else [joined(parts) for parts in zip(*asked)]

    def answer(support: Tensor, query: Tensor) -> Tensor:
        each = [many.cross(*sides, support, query) for sides in zip(transformers, supports, queries)]
        return torch.stack(each).mean(0)

    return answer


def joined(parts: Sequence[Any]) -> Any:
    """Prepared clips of several lots as one: of one output, or of all of a head."""
    first = parts[0]
    if isinstance(first, Projected):
        return Projected(*(torch.cat(same) for same in zip(*parts)))
    if isinstance(first, dict):
        return {name: joined([part[name] for part in parts]) for name in first}
    return torch.cat(list(parts))
