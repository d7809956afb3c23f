"""Encoders of video and of sound as they leave, and an encoder with its head.

Symbols: B clips, T frames, S pixels, D width of an encoder, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cache.errors import DataError
from cache.json_files import read_json
from models.exported import Array, Exportable, Feed, Found, Measure, Port, Run, around
from models.training import artifact
from models.weights import IMAGENET_MEAN, IMAGENET_STD
from systems.xkd import metrics
from systems.xkd.classifier import Classifier, Finetuned
from systems.xkd.encoder import pooled
from systems.xkd.listed import Split, listed
from systems.xkd.logmel import DEVIATION, MEAN, LogMel, mel_bank
from systems.xkd.params import EncodeParams, FinetuneParams
from systems.xkd.recordings import Recordings
from systems.xkd.seen import Look
from systems.xkd.sizes import ViewSizes
from systems.xkd.trained import Encoders, Trained, read

#: Batches of the comparison.
SIZES = (3, 2, 1)


class Features(nn.Module):
    """One input of each encoder to its feature (B,D)."""

    def __init__(self, network: nn.ModuleList, feature: str) -> None:
        super().__init__()
        self.network, self.feature = network, feature

    def forward(self, first: Tensor) -> tuple[Tensor, ...]:
        return (self._of(0, first),)

    def _of(self, place: int, x: Tensor) -> Tensor:
        tokens = self.network[place](x)
        return pooled(tokens) if self.feature == "pool" else tokens[:, 0]


class BothFeatures(Features):
    """Clips and sounds to the features of both."""

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return self._of(0, first), self._of(1, second)


class Logits(nn.Module):
    """Clips, or sounds, to logits (B,K)."""

    def __init__(self, network: Finetuned) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor) -> tuple[Tensor]:
        return (self.network(first),)


@dataclasses.dataclass(frozen=True)
class Seen:
    """Test files, and how networks see them: ``protocol`` and ``params`` as in their evaluation."""

    recordings: Recordings
    look: Look
    split: Split
    params: Any
    protocol: str

    @property
    def ids(self) -> list[str]:
        """Files of the split that are there."""
        there = set(self.recordings.ids)
        return [id for id in self.split.ids if id in there]

    def of(self, id: str, modality: str) -> Array:
        """The clips of a file."""
        crops = getattr(self.params, "crops", 1)
        return np.ascontiguousarray(self.look.test(self.recordings(id), self.params.test_clips, crops, modality, self.protocol))

    def rows(self, modalities: Sequence[str]) -> list[Feed]:
        """The first clip of some files, in batches."""
        first = [{modality: self.of(id, modality)[0] for modality in modalities} for id in self.ids[: sum(SIZES)]]
        lots = [[first[place] for place in lot] for lot in around(len(first), SIZES)]
        return [{modality: np.stack([one[modality] for one in lot]) for modality in modalities} for lot in lots]


def encoders(found: Found) -> Exportable:
    """Encoders without a head."""
    trained = read(found.network)
    params = found.params.get("encode") or EncodeParams()
    modalities = [one for one in trained.modalities if {"video": "frames", "audio": "sound"}[one] in found.inputs]
    seen = _seen(found, trained.look.sizes, tuple(modalities), params, params, "linear")
    nets = nn.ModuleList(trained.encoder(modality, params.role) for modality in modalities)
    rows, width = seen.rows(modalities), nets[0].cls_token.shape[-1]
    ports = tuple(_port(modality, rows[0][modality]) for modality in modalities)
    outputs = tuple(Port(f"{one}_features", "float32", ("batch", width), f"the encoder's feature of {one}") for one in modalities)

    def reference(feed: Feed) -> Feed:
        made = {}
        with torch.inference_mode():
            for modality in modalities:
                tokens = trained.encoder(modality, params.role)(torch.from_numpy(feed[modality]))
                made[f"{modality}_features"] = (pooled(tokens) if params.feature == "pool" else tokens[:, 0]).numpy()
        return made

    return Exportable(
        (BothFeatures if len(modalities) == 2 else Features)(nets, params.feature),
        inputs=ports,
        outputs=outputs,
        rows=rows,
        reference=reference,
        about={
            "task": "features of clips and of their sound",
            "role": params.role,
            "feature": params.feature,
            **_about(trained.look.sizes, modalities),
            "build": {"class": "systems.xkd.trained:Encoders", "arguments": trained.about["arguments"]},
        },
        script="systems.xkd.standalone",
        measure=Measure("nearest other test file of the same class", lambda run: _nearest(run, seen, modalities)),
        arrays=_arrays(trained.look.sizes, modalities),
        asks_len=True,
    )


def tuned(found: Found) -> Exportable:
    """An encoder and the head that was trained on it."""
    net, about = artifact.read_network(found.network, lambda **arguments: _finetuned(found, arguments))
    modality, frozen = about["modality"], about["frozen"]
    params = found.params.get("linear" if frozen else "finetune") or FinetuneParams()
    sizes = _sizes(found, params, modality)
    seen = _seen(found, sizes, (modality,), params, params, "linear" if frozen else "finetune")
    rows = seen.rows([modality])

    def reference(feed: Feed) -> Feed:
        with torch.inference_mode():
            return {"logits": net(torch.from_numpy(feed[modality])).numpy()}

    return Exportable(
        Logits(net),
        inputs=(_port(modality, rows[0][modality]),),
        outputs=(Port("logits", "float32", ("batch", len(about["classes"])), "of every class, before the softmax"),),
        rows=rows,
        reference=reference,
        about={
            "task": f"classes of {modality}",
            "classes": about["classes"],
            "several": seen.split.multi_label,
            **_about(sizes, [modality]),
            "build": {"class": "systems.xkd.classifier:Finetuned", "arguments": about["arguments"]},
        },
        script="systems.xkd.standalone",
        measure=Measure("top-1", lambda run: _top1(run, seen, modality)),
        arrays=_arrays(sizes, [modality]),
        asks_len=True,
    )


def _finetuned(found: Found, arguments: Mapping[str, Any]) -> Finetuned:
    """The network of a ``model.json``, of which the head's size stands in its classes."""
    about = read_json(found.network / "model.json")
    encoder = Trained(Encoders(**arguments), about).encoder(about["modality"])
    return Finetuned(encoder, Classifier(encoder.cls_token.shape[-1], len(about["classes"])))


def _sizes(found: Found, params: Any, modality: str) -> ViewSizes:
    """What a tuned network sees: as in its pre-training, or larger."""
    sizes = Look.of_trained(read_json(found.inputs["pretrain"] / "model.json")).sizes
    return dataclasses.replace(sizes, size=params.size) if modality == "video" and params.size else sizes


def _seen(found: Found, sizes: ViewSizes, modalities: tuple[str, ...], params: Any, switches: Any, protocol: str) -> Seen:
    look = Look(sizes, {name: switches.switch(name) for name in ("test_crops", "audio_dense")})
    recordings = Recordings(found.inputs, found.items, modalities, fps=sizes.fps, rate=sizes.rate)
    split = listed(found.inputs["index"], params.test)
    if not set(split.ids) & set(recordings.ids):
        raise DataError(f"no file of {split.name} has {' and '.join(modalities)}: nothing can test the network")
    return Seen(recordings, look, split, params, protocol)


def _port(modality: str, rows: Array) -> Port:
    what = "frames of a clip, normalised" if modality == "video" else "the log-mel spectrogram of a sound, normalised"
    return Port(modality, "float32", ("batch", *rows.shape[1:]), what)


def _about(sizes: ViewSizes, modalities: Sequence[str]) -> dict[str, Any]:
    """How inputs are made."""
    about: dict[str, Any] = {"how": "the clip in the middle of the file"}
    if "video" in modalities:
        about["how"] += (
            "; frames fps times a second (what is on screen), of a shorter file from the first one again; the short side to size / 0.875, "
            "bilinear with averaging; the square in the middle; x/255, minus mean, by std"
        )
        pixels = {"frames": sizes.frames, "fps": sizes.fps, "size": sizes.size}
        about["pixels"] = {**pixels, "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    if "audio" in modalities:
        about["how"] += (
            "; the sound as one channel at rate; a periodic Hann window, centred, edges mirrored; power, the bands of mel.npy, natural "
            "logarithm; minus mean, by std; a silent file is zeros"
        )
        sound = {name: getattr(sizes, name) for name in ("rate", "window", "hop", "bands", "columns", "samples")}
        about["sound"] = {**sound, "mean": MEAN, "std": DEVIATION}
    return about


def _arrays(sizes: ViewSizes, modalities: Sequence[str]) -> dict[str, Array]:
    return {"mel": mel_bank(LogMel(sizes.rate, sizes.window, sizes.hop, sizes.bands))} if "audio" in modalities else {}


def _each(run: Run, seen: Seen, modalities: Sequence[str]) -> Callable[[str], Mapping[str, Array]]:
    """What a network says of all clips of a file; of a modality with fewer clips than the other, the last one is repeated."""

    def said(id: str) -> Mapping[str, Array]:
        clips = {modality: seen.of(id, modality) for modality in modalities}
        most = max(map(len, clips.values()))
        return run({modality: own[np.minimum(np.arange(most), len(own) - 1)] for modality, own in clips.items()})

    return said


def _top1(run: Run, seen: Seen, modality: str) -> float:
    said, ids = _each(run, seen, [modality]), seen.ids
    logits = np.stack([said(id)["logits"] for id in ids])
    return float(metrics.top(metrics.over_clips(logits), seen.split.numbers(ids), 1)) / 100


def _nearest(run: Run, seen: Seen, modalities: Sequence[str]) -> float:
    """Of how many files the nearest other one, by the angle between their mean features, has a class of theirs."""
    said, ids = _each(run, seen, modalities), seen.ids
    features = np.stack([np.concatenate([one.mean(0) for one in said(id).values()]) for id in ids])
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = units @ units.T - 2 * np.eye(len(ids))
    marks = seen.split.marks(ids)
    return float(np.mean((marks * marks[near.argmax(1)]).sum(1) > 0))
