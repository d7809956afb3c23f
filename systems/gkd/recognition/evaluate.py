"""The ``evaluate`` stage of recognition: teacher and students of a seed on the test clips of a fold (spec 6.1).

Writes
  evaluation.json    top-1 and top-5 of every network, and of RGB and flow together; what they cost
  curves.jsonl       the training curves of each network (:mod:`models.evaluation.files`)
  predictions.jsonl  what each said of every clip

A network sees the middle of the clip in the middle of a video, each clip for itself. All are scored on the clips of which every network
has pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cache.json_files import read_json
from cache.stage import Context
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS
from models.evaluation.files import Prediction, network_curves, write_evaluation
from models.evaluation.record import Column, Cost, Evaluation, Items, Panel, Row, Score
from models.inference.in_order import in_order
from models.training.determinism import make_deterministic
from systems.gkd.compared import both, label, named, sorts, taken_from_files
from systems.gkd.compared import pairs as compared_pairs
from systems.gkd.recognition.clips import Clips
from systems.gkd.recognition.costs import costs
from systems.gkd.recognition.fusion import accuracies, scores
from systems.gkd.recognition.trained import Network, read
from systems.gkd.recognition.videos import Split, Video, listed, present

COSTS = (PARAMETERS, Cost("flops", head="GFLOPs/clip", axis="GFLOPs, per clip", per=1e9, digits=3))
PANELS = (
    Panel("train_network_accuracy", "training accuracy", "%"),
    Panel("train_network_task", "training cross-entropy"),
    Panel("train_network_reconstruction", "pass 2: map and what the CVAE makes of its attention", logarithmic=True),
    Panel("train_network_attention", "pass 2: attention distillation", logarithmic=True),
    Panel("train_cvae_cvae", "pass 1: loss of the CVAE", logarithmic=True),
    Panel("train_cvae_generative", "pass 1: generative distillation", logarithmic=True),
)
COLUMNS = {"top-1": 1, "top-5": 5}


def run(ctx: Context) -> None:
    """Score the networks and write what the report needs."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    networks = {name: read(ctx.inputs[name], ctx.device) for name in named(ctx.inputs)}
    split = listed(ctx.inputs["index"], f"{params.fold}/test")
    sources = sources_of(ctx, {network.modality for network in networks.values()})
    videos = present(split, set.intersection(*(clips.ids for clips in sources.values())), ctx.ledger)
    for name, network in networks.items():
        network.must_know(split.classes, name, split.name)
    logits = {name: logits_of(ctx, network, sources[network.modality], videos, name) for name, network in networks.items()}
    streams = {name: (name,) for name in networks} | both(networks)
    labels = torch.tensor([video.label for video in videos])
    said = {name: scores(*(logits[stream] for stream in own)) for name, own in streams.items()}
    rows = [_row(name, said[name], labels, len(split.videos), [networks[one] for one in own]) for name, own in streams.items()]
    evaluation = Evaluation(
        task="action recognition",
        metric="top-1",
        dataset=read_json(ctx.inputs["index"] / "dataset.json")["name"],
        split=split.name,
        seed=next(iter(networks.values())).about.get("seed", 0),
        columns=tuple(Column(name) for name in COLUMNS),
        items=Items("clip", total=len(split.videos), scored=len(videos), needs="video"),
        networks=tuple(rows),
        pairs=tuple(pair for pair in compared_pairs() if set(pair) <= streams.keys()),
        fold=str(params.fold),
        costs=COSTS,
        cost_note=f"{FLOPS_NOTE}; a clip as the network sees it. What makes flow of frames is no part of it",
        panels=PANELS,
        sorts=tuple(sorts(streams)),
        notes=tuple(_notes(networks, split)),
        flags=tuple(taken_from_files(networks)),
    )
    write_evaluation(ctx.out, evaluation, curves=_curves(ctx, networks), predictions=_predictions(said, videos, split))


def sources_of(ctx: Context, modalities: set[str]) -> dict[str, Clips]:
    """The pictures that the networks see, by modality."""
    inputs = {modality: "frames" if modality == "rgb" else modality for modality in sorted(modalities)}
    return {m: Clips(ctx.inputs[name], ctx.input_items[name], m, cache_mb=ctx.params.cache_mb) for m, name in inputs.items()}


def logits_of(ctx: Context, network: Network, clips: Clips, videos: Sequence[Video], name: str) -> Tensor:
    """Logits (N, K, T) of the clips in the middle, one at a time."""
    look, found = network.look, []
    with ctx.progress(name, total=len(videos)) as bar:
        views = in_order(lambda video: look.middle(clips, video.id), videos, max(1, ctx.workers), lambda: None)
        for view in views:
            found.append(network.logits(torch.from_numpy(view)[None].to(ctx.device)).cpu())
            bar.step()
    return torch.cat(found)


def _row(name: str, said: Tensor, labels: Tensor, total: int, networks: Sequence[Network]) -> Row:
    found = accuracies(said, labels, tuple(COLUMNS.values()))
    each = [costs(network) for network in networks]
    about = {key: networks[0].about[key] for key in ("seed", "weighted", "weights", "generative", "attention") if key in networks[0].about}
    return Row(
        name,
        label(name),
        {column: Score(value / 100) for column, value in zip(COLUMNS, found, strict=True)},
        strict=found[0] / 100 * len(labels) / total,
        costs={key: sum(own[key] for own in each) for key in each[0]},
        about=about,
    )


def _curves(ctx: Context, networks: Mapping[str, Network]) -> Iterator[Mapping[str, Any]]:
    for name in networks:
        yield from network_curves(name, ctx.inputs[name])


def _predictions(said: Mapping[str, Tensor], videos: Sequence[Video], split: Split) -> Iterator[Prediction]:
    for name, found in said.items():
        for video, answer in zip(videos, found.argmax(1).tolist(), strict=True):
            yield Prediction(name, video.id, split.classes[video.label], split.classes[answer])


def _notes(networks: Mapping[str, Network], split: Split) -> Iterator[str]:
    looks = sorted({f"{look.frames} frames of {look.size} × {look.size} pixels" for look in (one.look for one in networks.values())})
    yield f"{len(split.classes)} classes; clips of {' and of '.join(looks)}"
    widths = sorted({one.about["arguments"]["width"] for one in networks.values()})
    if widths != [1.0]:
        yield f"networks have {', '.join(f'{width:g}' for width in widths)} times the published channels"
