"""XKD: audio and video teach one another without labels (AAAI 2024): its stages and its graph.

    pretrain   encoders of video and of audio: masked reconstruction, alignment and distillation across modalities (full), parts of it, none
    encode     what frozen encoders make of clips, once
    svm        a linear SVM on them: video, audio, both
    linear     a linear head on a frozen encoder;  finetune   the encoder and a head, with rates by layer
    evaluate   accuracy, cost
    timing     time per clip: the one artifact whose bytes differ from run to run

Frames and sound come from ``sample``. One dataset serves all stages: pre-training sees its training clips without their labels.
Encoders that learnt elsewhere are taken from published files. The defaults are the published settings, with the code's mistakes mended
(``switches.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cache.stage import Config, Node, Shared, Stage, option
from systems.xkd.params import (
    ALL,
    MODALITIES,
    EncodeParams,
    EvaluateParams,
    FinetuneParams,
    LinearParams,
    PretrainParams,
    SvmParams,
    TimingParams,
)

PROTOCOLS = ("svm", "linear", "finetune")
#: modality -> what its sample is called as an input
INPUTS = {"video": "frames", "audio": "sound"}


@dataclass(frozen=True)
class GraphParams:
    """Which encoders are compared, and how."""

    variants: tuple[str, ...] = option(ALL, "what encoders learn from", choices=ALL, distinct=True)
    modalities: tuple[str, ...] = option(MODALITIES, "what is scored", choices=MODALITIES, distinct=True)
    protocols: tuple[str, ...] = option(("svm",), "how encoders are scored", choices=PROTOCOLS, distinct=True)
    folds: tuple[int, ...] = option((), "folds of the dataset; () if it has none", at_least=1, at_most=1000, distinct=True)
    train: str = option("train", "the part that is learnt from; of FSD50K both", choices=("train", "train+val"))
    test: str = option("test", "the part that is scored: test, val", choices=("test", "val"))


PRETRAIN = Stage(
    "pretrain",
    "systems.xkd.pretrain:run",
    PretrainParams,
    files=("checkpoint", "video_checkpoint", "audio_checkpoint"),
    facets=("device",),
    verb="distill",
)
ENCODE = Stage(
    "encode",
    "systems.xkd.encode:run",
    EncodeParams,
    facets=("device",),
    items=("index", "frames", "sound"),
    tolerance="max_lost",
    verb="distill",
)
SVM = Stage(
    "svm",
    "systems.xkd.linear_svm:run",
    SvmParams,
    libraries=("scikit-learn",),
    verb="distill",
    needs=("class",),
)
LINEAR = Stage("linear", "systems.xkd.tune:linear", LinearParams, facets=("device",), verb="distill")
FINETUNE = Stage("finetune", "systems.xkd.tune:finetune", FinetuneParams, facets=("device",), verb="distill")
EVALUATE = Stage("evaluate", "systems.xkd.evaluate:run", EvaluateParams, help="Score every network by the paper's protocol.")
TIMING = Stage("timing", "systems.xkd.timing:run", TimingParams, facets=("device",), help="Measure how long every network takes.")


def nodes(config: Config, shared: Shared) -> Iterator[Node]:
    """Yield the nodes of this system, for every seed and fold.

    Sections: ``graph``, ``pretrain`` (``pretrain.full``, ``.kd``, ``.align``, ``.recon``, ``.random`` speak to one), ``encode``, ``svm``,
    ``linear`` and ``finetune`` (``.video``, ``.audio``; ``tune`` speaks to both), ``evaluate``, ``timing``.
    """
    graph = config.graph(GraphParams)
    index = shared("index")
    seen = {INPUTS[modality]: sample(shared, modality) for modality in graph.modalities}
    first: dict[str, Node] = {}
    made: set[str] = set()
    for seed in config.seeds:
        for fold in graph.folds or (0,):
            place, ending = (f"{fold}/" if fold else ""), (f".f{fold}" if len(graph.folds) > 1 else "")
            splits = {"train": f"{place}{graph.train}", "test": f"{place}{graph.test}"}
            scored: dict[str, Node] = {}
            for variant in graph.variants:
                pretrain = pretraining(config, shared, variant, seed, ending, splits["train"])
                scored[f"pretrain.{variant}"] = pretrain
                data = {"index": index, "pretrain": pretrain, **seen}
                scored |= dict(protocols(config, graph, variant, seed, ending, splits, data))
            yield from (node for node in scored.values() if node.name not in made)
            made |= {node.name for node in scored.values()}
            params = config.params("evaluate", EvaluateParams, fold=str(fold) if fold else "", test=splits["test"])
            read = {alias: node for alias, node in scored.items() if not alias.startswith("encode.")}
            yield Node(f"evaluate{ending}.s{seed}", EVALUATE, params, {"index": index, **read})
            first = first or {alias: node for alias, node in scored.items() if node.stage is PRETRAIN}
    yield Node("timing", TIMING, config.params("timing", TimingParams), first)


def sample(shared: Shared, modality: str) -> Node:
    """Frames, or sound."""
    return shared("sample", "frames", policy="rate") if modality == "video" else shared("sample", "audio", policy="audio")


def pretraining(config: Config, shared: Shared, variant: str, seed: int, ending: str, split: str) -> Node:
    """The encoders of a variant. Those that learn here see the training clips of the fold; others are the same for every fold."""
    own = config.params(f"pretrain.{variant}", PretrainParams, learns=variant, seed=seed, split="train")
    if own.taken or variant == "random":
        return Node(f"pretrain.{variant}.s{seed}", PRETRAIN, own)
    reads = {"index": shared("index"), **{INPUTS[modality]: sample(shared, modality) for modality in MODALITIES}}
    return Node(f"pretrain.{variant}{ending}.s{seed}", PRETRAIN, dataclasses.replace(own, split=split), reads)


def protocols(
    config: Config, graph: GraphParams, variant: str, seed: int, ending: str, splits: Mapping[str, Any], data: Mapping[str, Node]
) -> Iterator[tuple[str, Node]]:
    """How the encoders of one pre-training are scored, by the name under which the evaluation reads it."""
    end = f"{ending}.s{seed}"
    params = config.params("encode", EncodeParams, modalities=graph.modalities, **splits)
    own = config.params("svm", SvmParams, modalities=graph.modalities)
    if "svm" in graph.protocols:
        features = Node(f"encode.{variant}{end}", ENCODE, params, data)
        yield f"encode.{variant}", features
        yield f"svm.{variant}", Node(f"svm.{variant}{end}", SVM, own, {"index": data["index"], "features": features})
    for name, stage, record in (("linear", LINEAR, LinearParams), ("finetune", FINETUNE, FinetuneParams)):
        for modality in MODALITIES:
            tuned = config.params(f"{name}.{modality}", record, modality=modality, seed=seed, **splits)
            if name in graph.protocols and modality in graph.modalities:
                reads = {alias: data[alias] for alias in ("index", "pretrain", INPUTS[modality])}
                yield f"{name}.{modality}.{variant}", Node(f"{name}.{modality}.{variant}{end}", stage, tuned, reads)


__all__ = ["ENCODE", "EVALUATE", "FINETUNE", "LINEAR", "PRETRAIN", "SVM", "TIMING", "nodes"]
