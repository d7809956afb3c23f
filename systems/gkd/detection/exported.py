"""A detector as it leaves: its head without loops that depend on numbers, and each window weighted by its own attention.

The network of the pipeline sees one window at a time, since attention is divided by its sum over the batch (D4); here a batch gives the
same as its windows one by one. Symbols: B windows, C channels, T frames, S pixels of a side, N positions, K classes with background.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cache.ledger import Ledger
from models.exported import Array, Exportable, Feed, Found, Measure, Port, Run, around
from systems.gkd.detection import levels
from systems.gkd.detection.array_files import ArrayFiles, read_list
from systems.gkd.detection.average_precision import AFSD, mean_average_precision
from systems.gkd.detection.branch import ProposalBranch
from systems.gkd.detection.decode import Decoding, Outputs, segments
from systems.gkd.detection.evaluate import UNSCORED, decoding_of
from systems.gkd.detection.evaluate import Found as Detected
from systems.gkd.detection.inference import outputs
from systems.gkd.detection.networks import Detector, Maps
from systems.gkd.detection.proposals import joined, proposals
from systems.gkd.detection.pyramid import CoarsePyramid
from systems.gkd.detection.trained import Network, read
from systems.gkd.detection.transforms import centre_windows
from systems.gkd.detection.videos import Split, present, read_split
from systems.gkd.detection.windows import offsets

#: Where attention is divided by its sum, maps are about 1e-5 in size, and group normalisation makes much of their rounding (D4).
TOLERANCE = 1e-3
#: Batches of the comparison, and what a network says of a window.
SIZES, SAID = (3, 2, 1), ("loc", "conf", "prop_loc", "prop_conf", "center")


class Exported(nn.Module):
    """windows (B,C,T,S,S) to distances (B,N,2), logits (B,N,K), both refined, and the logits of centres (B,N,1)."""

    def __init__(self, network: Detector, weighted: bool) -> None:
        super().__init__()
        self.network, self.weighted = network, weighted and network.has_attention

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        maps = self.network.features(windows)
        if self.weighted:
            maps = each_weighted(maps, self.network.attention(maps), self.network.weighting)
        return head(self.network.coarse_pyramid_detection, *maps)


def each_weighted(maps: Maps, attention: Maps, how: str) -> Maps:
    """Maps times their attention, over the ``sum`` or the ``mean`` of each window's own attention."""
    return Maps(*(x * (a / getattr(a, how)((1, 2), keepdim=True))[..., None, None] for x, a in zip(maps, attention, strict=True)))


def head(net: CoarsePyramid, map_4f: Tensor, map_5c: Tensor) -> tuple[Tensor, ...]:
    """What :meth:`CoarsePyramid.forward` computes and an evaluation reads."""
    lengths, pyramid = net.lengths, net.pyramid(map_4f, map_5c)
    frames = net.frame_level(pyramid)
    loc_x, conf_x = net._tower(net.loc_tower, pyramid), net._tower(net.conf_tower, pyramid)
    raw = levels.convolved(net.loc_head, loc_x, lengths).split(lengths, 2)
    loc = torch.cat([scaled(part) for scaled, part in zip(net.loc_heads, raw, strict=True)], 2).transpose(1, 2)
    conf = levels.convolved(net.conf_head, conf_x, lengths).transpose(1, 2)
    level_segments, frame_segments = proposals(loc, net.priors, lengths, net.frames)
    pooled, inside = boundary_maxima(frames, frame_segments.clamp(0, net.frames - 1)), joined(level_segments, lengths)
    loc_feature = _refined(net.loc_proposal_branch, loc_x, pooled, inside, lengths)
    conf_feature = _refined(net.conf_proposal_branch, conf_x, pooled, inside, lengths)
    found = (net.prop_loc_head(loc_feature), net.prop_conf_head(conf_feature), levels.convolved(net.center_head, loc_feature, lengths))
    return (loc, conf, *(one.transpose(1, 2) for one in found))


def _refined(branch: ProposalBranch, x: Tensor, pooled: Tensor, inside: Tensor, lengths: levels.Lengths) -> Tensor:
    point, region = levels.layer(branch.cur_point_conv, x, lengths), levels.layer(branch.roi_conv, pooled, lengths)
    near = boundary_maxima(branch.boundary(x, lengths), inside)
    return levels.layer(branch.proposal_conv, torch.cat([region, near, point], 1), lengths)


def boundary_maxima(x: Tensor, places: Tensor) -> Tensor:
    """Boundary max pooling of features (B,C,T) at segments (B,N,4), of 0..T-1, to (B,C,N): the maxima of all ranges of 1, 2, 4 ... steps
    are made, and the larger one of two of them is taken (:mod:`systems.gkd.detection.boundary_pooling`)."""
    length, half = x.shape[2], x.shape[1] // 2
    steps = places.long()
    sides = ((x[:, :half], steps[..., 0], steps[..., 1]), (x[:, half:], steps[..., 2], steps[..., 3]))
    return torch.cat([_range_maxima(part, first, torch.maximum(first, last), length) for part, first, last in sides], 1)


def _range_maxima(x: Tensor, first: Tensor, last: Tensor, length: int) -> Tensor:
    """The largest of (B,C,T) over the steps first..last (B,N): (B,C,N)."""
    rows, wide = [x], 1
    while 2 * wide <= length:
        longer = torch.maximum(rows[-1][..., : length - wide], rows[-1][..., wide:])
        rows.append(torch.nn.functional.pad(longer[..., : length - 2 * wide + 1], (0, length - (length - 2 * wide + 1))))
        wide *= 2
    table = torch.cat(rows, 2)
    count = last - first + 1
    power = sum((count >= 2**j).long() for j in range(1, len(rows))) if len(rows) > 1 else torch.zeros_like(count)
    widths = torch.tensor([2**j for j in range(len(rows))])[power]
    places = (power * length + first, power * length + last + 1 - widths)
    left, right = (table.gather(2, place[:, None].expand(-1, x.shape[1], -1)) for place in places)
    return torch.maximum(left, right)


def load(found: Found) -> Exportable:
    """The network, and windows of videos of the test split."""
    network, plain = read(found.network), read(found.network)
    plain.model.backbone.fast = False
    params = found.params["evaluate"]
    split, arrays = read_split(found.inputs["index"], params.split), read_list(found.inputs["arrays"])
    videos = present(split, [arrays], Ledger(), dict.fromkeys(split.not_scored, UNSCORED))
    shape, decoding = network.model.shape, decoding_of(params, network)
    windows = list(_windows(network, arrays, videos, params, sum(SIZES)))
    count = len(network.model.coarse_pyramid_detection.priors)
    widths = (2, shape.n_classes, 2, shape.n_classes, 1)
    what = (
        "distances to start and end, in frames",
        "logits, the first of the background",
        "how they are refined",
        "refined logits",
        "logit",
    )
    return Exportable(
        Exported(plain.model, network.weighted),
        inputs=(Port("windows", "float32", ("batch", *windows[0].shape), "frames of one window, -1..1"),),
        outputs=tuple(Port(name, "float32", ("batch", count, wide), one) for name, wide, one in zip(SAID, widths, what, strict=True)),
        rows=[{"windows": np.stack([windows[place] for place in lot])} for lot in around(len(windows), SIZES)],
        reference=lambda feed: _reference(network, feed),
        about={
            "task": "find actions in an untrimmed video",
            "classes": list(network.about["classes"]),
            "modality": network.modality,
            "pixels": {"fps": arrays.fps, "side": arrays.open(videos[0]).shape[1], "crop": shape.crop, "frames": shape.frames},
            "windows": {"stride": params.stride, "padding": params.switch("padding")},
            "decoding": {name: getattr(decoding, name) for name in ("sigma", "threshold", "kept", "top_k", "last", "length")},
            "how": "frames fps times a second (the last before the next moment), bicubic to side x side, the square of crop pixels "
            "in the middle, x/127.5 - 1; windows every stride frames, and one at the end; a short video is padded",
            "build": {"function": "systems.gkd.detection.trained:build", "arguments": network.about["arguments"]},
        },
        script="systems.gkd.detection.standalone",
        measure=Measure("mAP, tIoU 0.3 to 0.7", lambda run: _map(run, network, arrays, split, videos, params, decoding)),
        tolerance=TOLERANCE,
        arrays={"priors": network.model.coarse_pyramid_detection.priors.numpy()},
    )


def _windows(network: Network, arrays: ArrayFiles, videos: Sequence[str], params: Any, count: int) -> Iterator[Array]:
    """The first windows of the videos."""
    shape = network.model.shape
    for video in videos:
        array = arrays.open(video)
        begins = offsets(len(array), params.stride, shape.frames)
        for clip in centre_windows(array, begins, shape.frames, shape.crop, padding=params.switch("padding")):
            yield clip
            count -= 1
            if not count:
                return


def _reference(network: Network, feed: Feed) -> Feed:
    """One window at a time, as the evaluation asks."""
    said = [network(torch.from_numpy(window)[None]) for window in feed["windows"]]
    return {name: torch.cat([getattr(one, name) for one in said]).numpy() for name in SAID}


def _map(run: Run, network: Network, arrays: ArrayFiles, split: Split, videos: Sequence[str], params: Any, decoding: Decoding) -> float:
    shape, found, priors = network.model.shape, Detected(), network.model.coarse_pyramid_detection.priors
    looking = {"length": shape.frames, "side": shape.crop, "stride": params.stride, "padding": params.switch("padding")}

    def ask(clip: Tensor) -> Any:
        said: Mapping[str, Any] = {name: torch.from_numpy(one) for name, one in run({"windows": clip.numpy()}).items()}
        return Outputs(**said, priors=priors)  # type: ignore[arg-type]

    for video in videos:
        said, begins = outputs(ask, arrays.open(video), **looking)
        rate = split.infos({video: arrays.lengths[video]}, arrays.fps)[video].sample_fps
        found.results[video] = segments(said, begins, rate, split.classes, decoding).detections
    scores = mean_average_precision(split.truth(set(videos)), found.instances(), AFSD)
    return float(scores.mean.mean())
