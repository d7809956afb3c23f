"""The ``evaluate`` stage: what every protocol gave for the encoders of a seed and a fold, in one record.

Writes
  evaluation.json    the scores of every pre-training by modality and protocol; what the encoders cost
  curves.jsonl       the curves of each pre-training (:mod:`models.evaluation.files`)
  predictions.jsonl  the class that every protocol names for every file (:mod:`.by_file`)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cache.json_files import read_json
from cache.stage import Context
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS
from models.evaluation.files import network_curves, write_evaluation
from models.evaluation.record import Column, Cost, Evaluation, Items, Panel, Row, Score, Sort
from models.evaluation.sorts import all_wrong
from systems.xkd import by_file
from systems.xkd.cost import costs
from systems.xkd.listed import listed
from systems.xkd.params import LEARNS
from systems.xkd.trained import Trained, read

PRETRAIN = "pretrain."
LABELS = {
    "full": "XKD: reconstruction, alignment, distillation",
    "kd": "reconstruction, distillation",
    "align": "reconstruction, alignment",
    "recon": "reconstruction only",
    "random": "not trained",
}
PAIRS = (("full", "recon"), ("full", "kd"), ("full", "align"), ("recon", "random"))
COSTS = (PARAMETERS, Cost("flops", head="GFLOPs/clip", axis="GFLOPs, per clip", per=1e9, digits=3))
PANELS = (
    Panel("train_vid_recon_loss", "reconstruction of video"),
    Panel("train_aud_recon_loss", "reconstruction of audio"),
    Panel("train_alignment_loss", "alignment (MMD²)", logarithmic=True),
    Panel("train_cmkd_loss", "distillation"),
)
#: what an input of the SVM is called
INPUTS = {"video": "video", "audio": "audio", "both": "video + audio"}
SAID = (
    "The kind says what was asked: an SVM on features of the picture, of the sound or of both, or a tuned network. Only tuned networks "
    "have probabilities."
)
TUNED = {"linear": "linear head", "finetune": "fine-tuned"}


def run(ctx: Context) -> None:
    """Gather the scores and write what the report needs."""
    params = ctx.params
    names = [variant for variant in LEARNS if f"{PRETRAIN}{variant}" in ctx.inputs]
    networks = {name: read(ctx.inputs[f"{PRETRAIN}{name}"]) for name in names}
    split = listed(ctx.inputs["index"], params.test)
    found = {name: scores(ctx, name) for name in names}
    columns = list(next(iter(found.values())))
    modalities = sorted({modality for column in columns for modality in ("video", "audio") if modality in column}, reverse=True)
    scored = min((one.pop("files") for one in map(dict, (about(ctx, name) for name in names))), default=0)
    evaluation = Evaluation(
        task="self-supervised recognition",
        metric=f"{columns[0]}, {'mAP' if split.multi_label else 'top-1'}",
        dataset=read_json(ctx.inputs["index"] / "dataset.json")["name"],
        split=split.name,
        seed=next(iter(networks.values())).about["seed"],
        columns=tuple(Column(name) for name in columns),
        items=Items("file", total=len(split.ids), scored=scored, needs="picture and sound" if len(modalities) > 1 else modalities[0]),
        networks=tuple(row(name, found[name], networks[name], modalities) for name in names),
        pairs=tuple(pair for pair in PAIRS if set(pair) <= set(names)),
        fold=params.fold,
        costs=COSTS,
        cost_note=f"{FLOPS_NOTE}; one clip through the encoders of {' and '.join(modalities)}, without heads",
        panels=PANELS,
        sorts=tuple(sorts(names)),
        said_note=SAID,
        notes=tuple(notes(ctx, networks, names)),
        flags=tuple(flags(ctx, networks)),
    )
    write_evaluation(ctx.out, evaluation, curves=curves(ctx, names), predictions=by_file.predictions(answers(ctx, names), split))


def protocol_inputs(ctx: Context, name: str) -> Iterator[tuple[str, Any]]:
    """The records of all protocols of a pre-training: the input's name and ``scores.json``."""
    for alias, path in ctx.inputs.items():
        if alias.rpartition(".")[2] == name and not alias.startswith(PRETRAIN):
            yield alias, read_json(path / "scores.json")


def scores(ctx: Context, name: str) -> dict[str, Score]:
    """Column -> score of a pre-training."""
    found: dict[str, Score] = {}
    for alias, record in protocol_inputs(ctx, name):
        for column, own in columns_of(alias, name).items():
            if own and own in record["inputs"]:
                found[column] = Score(record["inputs"][own]["top-1"])
            elif not own:
                found[column] = Score(record["mAP" if "mAP" in record else "top-1"])
    return found


def columns_of(alias: str, name: str) -> dict[str, str]:
    """The columns of an input -> which of an SVM's inputs each is, "" for a network that was tuned."""
    protocol, _, modality = alias.removesuffix(f".{name}").partition(".")
    return {label: own for own, label in INPUTS.items()} if protocol == "svm" else {f"{modality}, {TUNED[protocol]}": ""}


def answers(ctx: Context, names: list[str]) -> Iterator[by_file.Answers]:
    """Where the answers of every pre-training lie, column by column."""
    for name in names:
        for alias, _ in protocol_inputs(ctx, name):
            for column, own in columns_of(alias, name).items():
                yield by_file.Answers(name, column, ctx.inputs[alias] / "answers.npz", own)


def sorts(names: list[str]) -> Iterator[Sort]:
    """What the whole method knows that reconstruction alone, or no training, does not."""
    for right, wrong in (("full", "recon"), ("recon", "full"), ("full", "random")):
        if right in names and wrong in names:
            yield Sort(f"{LABELS[right]} right, {LABELS[wrong]} wrong", (right,), (wrong,))
    yield all_wrong(names)


def about(ctx: Context, name: str) -> dict[str, int]:
    """How many files were scored."""
    return {"files": min(int(record["files"]) for _, record in protocol_inputs(ctx, name))}


def row(name: str, found: Mapping[str, Score], network: Trained, modalities: list[str]) -> Row:
    """A pre-training in the report."""
    kept = {key: network.about[key] for key in ("seed", "learns", "variant", "clips") if key in network.about}
    return Row(name, LABELS[name], found, costs=costs(network, modalities), about=kept)


def curves(ctx: Context, names: list[str]) -> Iterator[Mapping[str, Any]]:
    """The curves of every pre-training."""
    for name in names:
        yield from network_curves(name, ctx.inputs[f"{PRETRAIN}{name}"])


def notes(ctx: Context, networks: Mapping[str, Trained], names: list[str]) -> Iterator[str]:
    """What a reader should know of the encoders and of the SVMs."""
    sizes = networks[names[0]].look.sizes
    yield (
        f"clips of {sizes.frames} frames of {sizes.size} × {sizes.size} pixels ({sizes.seconds:g} s), "
        f"log-mels of {sizes.bands} × {sizes.columns}"
    )
    for name in names:
        if f"svm.{name}" in ctx.inputs:
            said = read_json(ctx.inputs[f"svm.{name}"] / "scores.json")
            costs = ", ".join(f"{label} {said['inputs'][own]['cost']:g}" for own, label in INPUTS.items() if own in said["inputs"])
            yield f"cost C of the SVM, {LABELS[name]}: {costs} ({CHOSEN[said['selection']]})"


CHOSEN = {
    "validation": "the best on a fifth of the training files",
    "fixed": "as configured",
    "test": "the best on the test set",
}


def flags(ctx: Context, networks: Mapping[str, Trained]) -> Iterator[str]:
    """What a reader has to know before believing the numbers."""
    for name, network in networks.items():
        for taken in network.about.get("checkpoint", {}).values():
            yield f"{LABELS[name]}: taken from {taken['file']} (sha256 {taken['sha256'][:12]}), not trained here"
    for alias, path in ctx.inputs.items():
        if alias.startswith("svm.") and read_json(path / "scores.json")["selection"] == "test":
            yield "the SVMs' costs were chosen on the test set, as published: the scores flatter"
            break
