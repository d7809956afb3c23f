"""A recogniser as it leaves: in its plain layout, each clip for itself.

Symbols: B clips, C channels, T frames, S pixels of a side, K classes, P positions of the last map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cache.ledger import Ledger
from models.exported import Exportable, Feed, Found, Measure, Port, Run, around, in_lots
from models.weights import IMAGENET_MEAN, IMAGENET_STD
from systems.gkd.recognition.clips import Clips
from systems.gkd.recognition.fusion import scores
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.seen import Look
from systems.gkd.recognition.trained import Network, read
from systems.gkd.recognition.videos import Video, listed, present
from systems.gkd.recognition.views import FLOW_MEAN, FLOW_STD

#: Batches of the comparison, and clips of a batch of the score.
SIZES, LOT = (3, 2, 1), 4


class Exported(nn.Module):
    """clips (B,C,T,S,S) to logits (B,K,P)."""

    def __init__(self, network: Recogniser, weighted: bool) -> None:
        super().__init__()
        self.network, self.weighted = network, weighted

    def forward(self, clips: Tensor) -> tuple[Tensor]:
        return (self.network(clips, weighted=self.weighted),)


def load(found: Found) -> Exportable:
    """The network, and clips of the test split."""
    network, plain = read(found.network), read(found.network)
    plain.model.channels_last = False
    fold = getattr(found.params.get("evaluate"), "fold", 1)
    split = listed(found.inputs["index"], f"{fold}/test")
    clips = Clips(found.inputs["frames"], found.items["frames"], network.modality)
    videos = present(split, clips.ids, Ledger())
    look = network.look
    view = look.middle(clips, videos[0].id)
    positions = network.logits(torch.from_numpy(view)[None]).shape[2]
    return Exportable(
        Exported(plain.model, network.weighted),
        inputs=(Port("clips", "float32", ("batch", *view.shape), "frames of one clip, normalised"),),
        outputs=(Port("logits", "float32", ("batch", len(split.classes), positions), "of every class at every position"),),
        rows=[feed for feed, _ in _batches(look, clips, videos, around(len(videos), SIZES))],
        reference=lambda feed: _reference(network, feed),
        about={
            "task": "recognise the action of a clip",
            "classes": list(network.about["classes"]),
            "modality": network.modality,
            "pixels": {**look._asdict(), **dict(zip(("mean", "std"), normalisation(look, network.modality), strict=True))},
            "how": "consecutive frames from the middle, the last one left out; the short side to short (0: as it is), bilinear; the square "
            "in the middle; x/255, minus mean, by std. What is said is the mean over positions of the softmax",
            "build": {"class": "systems.gkd.recognition.network:Recogniser", "arguments": network.about["arguments"]},
        },
        script="systems.gkd.recognition.standalone",
        measure=Measure("top-1", lambda run: _top1(run, look, clips, videos)),
    )


def normalisation(look: Look, modality: str) -> tuple[list[float], list[float]]:
    """Mean and deviation of every channel, of values in 0..1."""
    if look.normalise == "kinetics":
        count = 3 if modality == "rgb" else 2
        return [0.5] * count, [0.5] * count
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if modality == "rgb" else (FLOW_MEAN, FLOW_STD)
    return list(mean), list(std)


def _batches(look: Look, clips: Clips, videos: Sequence[Video], lots: Sequence[Sequence[int]]) -> Iterator[tuple[Feed, Sequence[Video]]]:
    for places in lots:
        lot = [videos[place] for place in places]
        yield {"clips": np.stack([look.middle(clips, video.id) for video in lot])}, lot


def _reference(network: Network, feed: Feed) -> Feed:
    """One clip at a time, as the evaluation asks."""
    each = [network.logits(torch.from_numpy(clip)[None]) for clip in feed["clips"]]
    return {"logits": torch.cat(each).numpy()}


def _top1(run: Run, look: Look, clips: Clips, videos: Sequence[Video]) -> float:
    right = 0
    for feed, lot in _batches(look, clips, videos, in_lots(len(videos), LOT)):
        said = scores(torch.from_numpy(run(feed)["logits"])).argmax(1).tolist()
        right += sum(one == video.label for one, video in zip(said, lot, strict=True))
    return right / len(videos)
