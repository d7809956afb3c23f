"""The ``evaluate`` stage: teacher and students of a seed on a partition with labels, by the data set's protocol (spec 8).

Writes
  metrics.json     GAP@20 (as ``accuracy``), mAP in both published variants, Hit@1 and PERR of each network and of a constant answer
  cost.json        parameters, frames and FLOPs per video of each network
  curves.jsonl     the training curves of each network, one object per network and epoch
  submission/      ``<partition>.<network>.csv``: the 20 best classes of every video, for the measured partition and those to submit
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.fewerframes import cost, submission
from systems.fewerframes.checkpoint import Network, read_network
from systems.fewerframes.data import Batch, Partition, Store, open_partition
from systems.fewerframes.losses import cross_entropy
from systems.fewerframes.metrics import Measured, Metrics

LABELS = {"alone": "student alone", "rep": "student + L_rep", "pred": "student + L_pred", "both": "student + L_rep + L_pred"}
TYPES = ("mAP", "mAP of seen classes", "Hit@1", "PERR")


def run(ctx: Context) -> None:
    """Score the networks and write what the report needs."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    store = open_partition(ctx.inputs["ingest"], params.partition)
    train = open_partition(ctx.inputs["ingest"], "train")
    others = {name: open_partition(ctx.inputs["ingest"], name) for name in params.submit if (ctx.inputs["ingest"] / f"{name}.h5").is_file()}
    (ctx.out / "submission").mkdir()
    names = [name for name in ctx.inputs if name.split(".")[0] in ("teacher", "student")]
    models, costs, curves = [], {}, []
    with ctx.progress("evaluate", total=len(names)) as bar:
        for name in names:
            network = read_network(ctx.inputs[name], ctx.device)
            measured = measure(network, store, ctx, name)
            for partition, other in others.items():
                _submit(ctx, partition, name, answers(network, other, params.batch_size, ctx.device))
            names_of = {"name": name, "label": label(name, network), "series": series(name)}
            models.append({**names_of, **score(measured), **_network_record(network.about)})
            costs[name] = cost.of_video(network)
            curves += [
                {"model": name, **json.loads(line)} for line in (ctx.inputs[name] / "curves.jsonl").read_text(encoding="utf-8").splitlines()
            ]
            bar.step()
    metrics = {
        "task": "video classification with fewer frames",
        "metric": "GAP@20",
        "headline": "GAP@20",
        "unit": "video",
        "dataset": json.loads((ctx.inputs["index"] / "dataset.json").read_text(encoding="utf-8"))["name"],
        "split": params.partition,
        "types": list(TYPES),
        "models": models,
        "baselines": [{"name": "frequency", "label": "label frequencies", **score(frequency_answer(store, train, params))}],
        "pairs": pairs(params.ks),
        "coverage": {"questions": len(store), "answered": len(store), "lost": 0},
        "features": [],
    }
    _write(ctx.out / "metrics.json", metrics)
    _write(ctx.out / "cost.json", {"models": costs})
    (ctx.out / "curves.jsonl").write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in curves), encoding="utf-8")


def measure(network: Network, store: Store, ctx: Context, name: str) -> Measured:
    """All metrics of a network over the videos of a partition; its submission file is written on the way."""
    params = ctx.params
    metrics = Metrics(store.classes, tie_break=params.tie_break)

    def watched() -> Iterator[tuple[list[str], np.ndarray]]:
        for ids, probabilities, batch, loss in scored(network, store, params.batch_size, ctx.device):
            metrics.add(probabilities, batch.labels.cpu().numpy(), loss=loss)
            yield ids, probabilities

    _submit(ctx, params.partition, name, watched())
    return metrics.result()


def scored(network: Network, store: Store, size: int, device: str) -> Iterator[tuple[list[str], np.ndarray, Batch, float]]:
    """Ids, probabilities, the batch and its cross-entropy, batch by batch."""
    partition = Partition(store, network.view)
    ids = partition.ids
    for places in partition.in_order(size):
        batch = partition.batch(places, device)
        probabilities = network.predict(batch).probabilities
        loss = float(cross_entropy(probabilities, batch.labels))
        yield [ids[place] for place in places.tolist()], probabilities.cpu().numpy(), batch, loss


def answers(network: Network, store: Store, size: int, device: str) -> Iterator[tuple[list[str], np.ndarray]]:
    """Ids and probabilities, batch by batch."""
    return ((ids, probabilities) for ids, probabilities, _, _ in scored(network, store, size, device))


def frequency_answer(store: Store, train: Store, params: Any) -> Measured:
    """The metrics of the answer that is the same for every video: how often each class is a label in training."""
    counts = np.zeros(store.classes)
    for video in range(len(train)):
        counts[train.labels(video)] += 1
    metrics = Metrics(store.classes, tie_break=params.tie_break)
    for start in range(0, len(store), params.batch_size):
        videos = range(start, min(start + params.batch_size, len(store)))
        labels = store.hot(videos)
        metrics.add(np.broadcast_to(counts / len(train), labels.shape), labels)
    return metrics.result()


def score(measured: Measured) -> dict[str, Any]:
    """The metrics as the report reads them."""
    by_type = {"mAP": measured.map_all, "mAP of seen classes": measured.map_positive, "Hit@1": measured.hit_at_one, "PERR": measured.perr}
    return {
        "accuracy": measured.gap,
        "by_type": by_type,
        "questions_by_type": {},
        "strict": {"accuracy": measured.gap, "by_type": by_type},
        "loss": measured.loss,
        "tie_bounds": {"GAP@20": list(measured.gap_bounds), "PERR": list(measured.perr_bounds)},
    }


def label(name: str, network: Network) -> str:
    """What the report calls a network."""
    if name == "teacher":
        return "teacher, all frames"
    return f"{series(name)}, {network.view.count} frames"


def series(name: str) -> str | None:
    """The students of all k that were trained alike; None for the teacher."""
    return None if name == "teacher" else LABELS[name.split(".")[1]]


def pairs(ks: Iterable[int]) -> list[list[str]]:
    """What the report compares, seed by seed: for every k the distilled students and the teacher with the student alone."""
    found = []
    for k in ks:
        alone = f"student.alone.k{k}"
        found += [[f"student.{variant}.k{k}", alone] for variant in ("rep", "pred", "both")] + [["teacher", alone]]
    return found


def _network_record(about: Mapping[str, Any]) -> dict[str, Any]:
    return {key: about[key] for key in ("role", "seed", "best_epoch", "best_value")}


def _submit(ctx: Context, partition: str, name: str, batches: Iterator[tuple[list[str], np.ndarray]]) -> None:
    with (ctx.out / "submission" / f"{partition}.{name}.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(submission.document(batches))


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
