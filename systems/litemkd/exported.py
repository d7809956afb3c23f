"""A few-shot student as it leaves: which support clip is of which class is a matrix, so that classes and clips may be of any number.

Symbols: Ns support clips, Nq queries, W classes, T frames, S pixels, n tuples of a clip, P parts, d width of values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.exported import Exportable, Feed, Found, Measure, Port, Run
from systems.litemkd import EvaluateParams, trained
from systems.litemkd.backbone import Backbone
from systems.litemkd.clips import Clips
from systems.litemkd.episodes import Shape, pool
from systems.litemkd.heads import Head, Outputs
from systems.litemkd.model import Student
from systems.litemkd.networks import Network
from systems.litemkd.protocol import drawn
from systems.litemkd.seen import Look
from systems.litemkd.trunk import CELLS, last_map
from systems.litemkd.trx import CrossTransformer, Projected
from systems.litemkd.videos import Video, listed
from systems.litemkd.views import IMAGENET

#: Episodes of the comparison: support clips of each class, queries. Episodes that are scored at most.
EPISODES, SCORED = (((2, 1, 2), 4), ((1, 1), 1)), 50


class Exported(nn.Module):
    """support (Ns,T,3,S,S), members (Ns,W) of 0 and 1, query (Nq,T,3,S,S) to logits (Nq,W)."""

    def __init__(self, network: Student) -> None:
        super().__init__()
        self.network = network

    def forward(self, support: Tensor, members: Tensor, query: Tensor) -> tuple[Tensor]:
        known, asked = (features(self.network.backbone, clips) for clips in (support, query))
        head = self.network.classifier
        return (head.answer({output: compared(head, output, known, asked, members) for output in head.kind.answer}),)


def features(backbone: Backbone, clips: Tensor) -> Outputs:
    """Features of clips by name; the maxima of cells are those of slices, which every format knows."""
    images = clips.flatten(0, 1)
    found = last_map(backbone.trunk, images)
    if backbone.shape == "pooled-d2m":
        pooled = found.mean((2, 3))
    else:
        cells = cell_maxima(found)
        pooled = backbone.attn_pat(cells.transpose(1, 2)).mean(1) if backbone.shape.startswith("strm") else cells.mean(2)
    return backbone.branches(pooled.unflatten(0, (-1, clips.shape[1])))


def cell_maxima(found: Tensor) -> Tensor:
    """The maxima of 4 x 4 cells of a map (B,V,h,w): (B,V,16)."""
    height, width = found.shape[2:]
    rows, columns = ([(i * side // CELLS, -(-(i + 1) * side // CELLS)) for i in range(CELLS)] for side in (height, width))
    return torch.stack([found[:, :, a:b, c:d].amax((2, 3)) for a, b in rows for c, d in columns], 2)


def compared(head: Head, output: str, known: Outputs, asked: Outputs, members: Tensor) -> Tensor:
    """The logits (Nq,W) of one output of the head."""
    support, query = (side[head.kind.logits[output]] for side in (known, asked))
    if output == "pat":
        return nearest_tuples(head.DistanceLoss.prepare(support), head.DistanceLoss.prepare(query), members)
    if head.kind.matching == "distance":
        apart = (query.mean(1)[:, None] - support.mean(1)).square().sum(-1).sqrt()
        return -(apart @ members) / members.sum(0)
    transformers = head.transformers
    return attended(transformers, transformers.project(support), transformers.project(query), members)


def nearest_tuples(support: Tensor, query: Tensor, members: Tensor) -> Tensor:
    """Minus the distance of a query's tuples (Nq,n,D) from the nearest of a class (Ns,n,D), mean over tuples."""
    squares = query.square().sum(-1)[:, :, None, None] + support.square().sum(-1)
    apart = (squares - 2 * torch.einsum("qad,sbd->qasb", query, support)).clamp_min(0).sqrt().amin(-1)
    own = members.t() > 0
    return -torch.where(own, apart[:, :, None], float("inf")).amin(-1).mean(1)


def attended(net: CrossTransformer, support: Projected, query: Projected, members: Tensor) -> Tensor:
    """Minus the squared distances of queries from the prototypes that each class makes for them by attention over its own clips."""
    tuples = net.members
    between = torch.einsum("qpd,srd->qpsr", query.keys, support.keys)
    products = torch.einsum("np,qpsr->qnsr", tuples, between) @ tuples.t()
    scores = (support.biases + products * query.scales[..., None, None] * support.scales) * net.k_linear.out_features**-0.5
    own = (members.t() > 0)[..., None]
    masked = torch.where(own, scores[:, :, None], float("-inf"))  # (Nq,n,W,Ns,n)
    attention = masked.flatten(3).softmax(-1).unflatten(3, (-1, tuples.shape[0]))
    prototypes = torch.einsum("qnwsp,spd->qnwd", attention @ tuples, support.values)
    apart = (tuples @ query.values)[:, :, None] - prototypes
    return -apart.square().sum((1, 3)) / tuples.shape[0]


def load(found: Found) -> Exportable:
    """The student, and episodes of the test classes."""
    network = Network(*trained.read(found.network))
    look, clips = network.look, Clips(found.inputs["frames"], found.items["frames"], frames=network.frames)
    videos = [video for video in listed(found.inputs["index"], "test") if video.name in clips.ids]
    params = found.params.get("evaluate") or EvaluateParams()
    view = (network.frames, 3, look.image_size, look.image_size)
    mean, std = IMAGENET if look.normalise == "imagenet" else (np.zeros(3), np.ones(3))
    return Exportable(
        Exported(network.model),
        inputs=(
            Port("support", "float32", ("examples", *view), "frames of the examples"),
            Port("members", "float32", ("examples", "classes"), "1 where an example is of a class, else 0; no class without one"),
            Port("query", "float32", ("queries", *view), "frames of the clips that are asked about"),
        ),
        outputs=(Port("logits", "float32", ("queries", "classes"), "of every class, before the softmax"),),
        rows=[_episode(look, clips, videos, *shape) for shape in EPISODES],
        reference=lambda feed: _reference(network.model, feed),
        about={
            "task": "tell the class of a clip from examples of each",
            "pixels": {"frames": network.frames, "size": look.image_size, "short": look.side, "mean": mean.tolist(), "std": std.tolist()},
            "how": "evenly placed frames from the first to the last; the short side to short, bilinear with averaging; the square in the "
            "middle; x/255, minus mean, by std",
            "build": {"function": "systems.litemkd.trained:build", "arguments": network.about["arguments"]},
        },
        script="systems.litemkd.standalone",
        measure=Measure(f"accuracy over {min(SCORED, params.episodes)} episodes", lambda run: _accuracy(run, look, clips, videos, params)),
    )


def _seen(look: Look, clips: Clips, names: Sequence[str]) -> Any:
    views = torch.from_numpy(np.stack([look.of(clips, name) for name in names]))
    return np.ascontiguousarray(look.input(views, "cpu").numpy())


def _members(labels: Sequence[int]) -> Any:
    return np.eye(max(labels) + 1, dtype=np.float32)[list(labels)]


def _episode(look: Look, clips: Clips, videos: Sequence[Video], shots: Sequence[int], queries: int) -> Feed:
    """An episode of the first classes: so many examples of each, and the last videos as queries."""
    labels = list(dict.fromkeys(video.label for video in videos))[: len(shots)]
    chosen = [[video.name for video in videos if video.label == label][:count] for label, count in zip(labels, shots)]
    support = [name for own in chosen for name in own]
    asked = [video.name for video in videos if video.name not in support][-queries:]
    places = [place for place, own in enumerate(chosen) for _ in own]
    return {"support": _seen(look, clips, support), "members": _members(places), "query": _seen(look, clips, asked)}


def _reference(model: Student, feed: Feed) -> Feed:
    """As the evaluation asks: each class by its own clips."""
    support, query = (torch.from_numpy(feed[name]) for name in ("support", "query"))
    labels = torch.from_numpy(feed["members"].argmax(1))
    with torch.inference_mode():
        return {"logits": model.answer(model.classifier.match(model.prepare(support), labels, model.prepare(query))).numpy()}


def _accuracy(run: Run, look: Look, clips: Clips, videos: Sequence[Video], params: Any) -> float:
    """Of queries in the first episodes of the evaluation."""
    rows = {video: row for row, video in enumerate(videos)}
    test = pool(videos, videos, Shape(params.way, params.shots[0], params.queries))
    asked = drawn(test, rows, episodes=min(SCORED, params.episodes), seed=params.episode_seed)
    places = [label for label in range(params.way) for _ in range(params.shots[0])]
    right: list[bool] = []
    for support, query, labels in zip(asked.support.flatten(1).tolist(), asked.query.tolist(), asked.labels.tolist()):
        known, seen = (_seen(look, clips, [videos[row].name for row in side]) for side in (support, query))
        said = run({"support": known, "members": _members(places), "query": seen})["logits"].argmax(1).tolist()
        right += [one == label for one, label in zip(said, labels)]
    return sum(right) / len(right)
