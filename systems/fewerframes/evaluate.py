"""The ``evaluate`` stage: teacher and students of a seed on a partition with labels, by the data set's protocol (spec 8).

Writes
  evaluation.json    GAP@20, mAP in both published variants, Hit@1 and PERR of each network and of a constant answer; what they cost
  curves.jsonl       the training curves of each network (:mod:`models.evaluation.files`)
  predictions.jsonl  of every video (of very many: of evenly chosen ones) its labels and the best classes of each network
  submission/        ``<partition>.<network>.csv``: the 20 best classes of every video, for the measured partition and those to submit

Among the predictions a network is right if the class that it holds most likely is one of the video's labels, as in Hit@1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cache.json_files import read_json
from cache.stage import Context
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS, flops_per
from models.evaluation.files import Prediction, network_curves, write_evaluation
from models.evaluation.kept import TOP, kept
from models.evaluation.record import Column, Cost, Evaluation, Items, Panel, Row, Score, Sort
from models.evaluation.sorts import all_wrong, distilled_against
from models.training.determinism import make_deterministic
from systems.fewerframes import cost, submission
from systems.fewerframes.data import Batch, Partition, Store, open_partition
from systems.fewerframes.losses import cross_entropy
from systems.fewerframes.metrics import Measured, Metrics
from systems.fewerframes.trained import Network, read_network

LABELS = {"alone": "student alone", "rep": "student + L_rep", "pred": "student + L_pred", "both": "student + L_rep + L_pred"}
COLUMNS = tuple(map(Column, ("GAP@20", "mAP", "mAP of seen classes", "Hit@1", "PERR")))
COSTS = (PARAMETERS, Cost("frames", axis="frames that it sees"), flops_per("video"))
PANELS = (
    Panel("val_gap", "validation GAP", "%"),
    Panel("train_ce", "training cross-entropy"),
    Panel("val_ce", "validation cross-entropy"),
    Panel("train_rep", "distillation: representation (training)", logarithmic=True),
    Panel("train_pred", "distillation: predictions (training)", logarithmic=True),
)
SAID = (
    "A network is right if the class that it holds most likely is one of the video's labels, as Hit@1 counts; beside a class its "
    "probability."
)


class Best(NamedTuple):
    """The best classes (n, k) of the n videos that are kept, as numbers, and their probabilities."""

    classes: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]


def run(ctx: Context) -> None:
    """Score the networks and write what the report needs."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    store = open_partition(ctx.inputs["ingest"], params.partition)
    train = open_partition(ctx.inputs["ingest"], "train")
    others = {name: open_partition(ctx.inputs["ingest"], name) for name in params.submit if (ctx.inputs["ingest"] / f"{name}.h5").is_file()}
    (ctx.out / "submission").mkdir()
    names = [name for name in ctx.inputs if name.split(".")[0] in ("teacher", "student")]
    networks, curves, best = [], [], {}
    with ctx.progress("evaluate", total=len(names)) as bar:
        for name in names:
            network = read_network(ctx.inputs[name], ctx.device)
            measured, best[name] = measure(network, store, ctx, name)
            for partition, other in others.items():
                _submit(ctx, partition, name, answers(network, other, params.batch_size, ctx.device))
            networks.append(row(name, network, measured))
            curves += network_curves(name, ctx.inputs[name])
            bar.step()
    constant = frequency_answer(store, train, params)
    evaluation = Evaluation(
        task="video classification with fewer frames",
        metric="GAP@20",
        dataset=read_json(ctx.inputs["index"] / "dataset.json")["name"],
        split=params.partition,
        seed=networks[0].about["seed"],
        columns=COLUMNS,
        items=Items("video", total=len(store), scored=len(store)),
        networks=tuple(networks),
        baselines=(Row("frequency", "label frequencies", scores(constant), about=tie_bounds(constant)),),
        pairs=tuple(pair for pair in pairs(params.ks) if set(pair) <= set(names)),
        costs=COSTS,
        cost_note=FLOPS_NOTE,
        panels=PANELS,
        sorts=tuple(_sorts({row.name: row.label for row in networks}, params.ks)),
        said_note=SAID,
    )
    names_of = read_json(ctx.inputs["ingest"] / "frames.json").get("classes") or [str(number) for number in range(store.classes)]
    write_evaluation(ctx.out, evaluation, curves=curves, predictions=predictions(best, store, names_of))


def measure(network: Network, store: Store, ctx: Context, name: str) -> tuple[Measured, Best]:
    """All metrics of a network over the videos of a partition, and its best classes; its submission file is written on the way."""
    params = ctx.params
    metrics = Metrics(store.classes, tie_break=params.tie_break)
    places, best, begin = kept(len(store)), [], 0

    def watched() -> Iterator[tuple[list[str], np.ndarray]]:
        nonlocal begin
        for ids, probabilities, batch, loss in scored(network, store, params.batch_size, ctx.device):
            metrics.add(probabilities, batch.labels.cpu().numpy(), loss=loss)
            best.append(best_of(probabilities[-begin % places.step :: places.step]))
            begin += len(ids)
            yield ids, probabilities

    _submit(ctx, params.partition, name, watched())
    return metrics.result(), Best(*(np.concatenate(parts) for parts in zip(*best)))


def best_of(probabilities: npt.NDArray[np.floating[Any]]) -> Best:
    """The ``TOP`` best classes of videos (n, classes); the smaller class wins a tie, as in a submission."""
    classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    return Best(classes.astype(np.int32), np.take_along_axis(probabilities, classes, 1).astype(np.float32))


def predictions(best: Mapping[str, Best], store: Store, classes: Sequence[str]) -> Iterator[Prediction]:
    """What every network said of every video that is kept, in the words of the vocabulary."""
    for name, found in best.items():
        for row, video in enumerate(kept(len(store))):
            labels, said = store.labels(video).tolist(), found.classes[row].tolist()
            top = [(classes[one], round(chance, 4)) for one, chance in zip(said, found.probabilities[row].tolist())]
            answer = [classes[one] for one in labels]
            yield Prediction(name, store.ids[video], answer, classes[said[0]], right=said[0] in labels, top=top)


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


def row(name: str, network: Network, measured: Measured) -> Row:
    """A network as the report shows it."""
    about = {key: network.about[key] for key in ("role", "seed", "best_epoch")} | tie_bounds(measured) | {"loss": measured.loss}
    return Row(
        name,
        label(name, network),
        scores(measured),
        series=series(name),
        validation=network.about["best_value"],
        costs=cost.of_video(network),
        about=about,
    )


def scores(measured: Measured) -> dict[str, Score]:
    """The metrics by column."""
    values = (measured.gap, measured.map_all, measured.map_positive, measured.hit_at_one, measured.perr)
    return {column.name: Score(value) for column, value in zip(COLUMNS, values, strict=True)}


def tie_bounds(measured: Measured) -> dict[str, Any]:
    """The lowest and highest that any order of tied scores gives."""
    return {"tie_bounds": {"GAP@20": list(measured.gap_bounds), "PERR": list(measured.perr_bounds)}}


def label(name: str, network: Network) -> str:
    """What the report calls a network."""
    if name == "teacher":
        return "teacher, all frames"
    return f"{series(name)}, {network.view.count} frames"


def series(name: str) -> str:
    """The students of all k that were trained alike; none for the teacher."""
    return "" if name == "teacher" else LABELS[name.split(".")[1]]


def pairs(ks: Iterable[int]) -> Iterator[tuple[str, str]]:
    """What the report compares, seed by seed: for every k the distilled students and the teacher with the student alone."""
    for k in ks:
        alone = f"student.alone.k{k}"
        yield from ((f"student.{variant}.k{k}", alone) for variant in ("rep", "pred", "both"))
        yield "teacher", alone


def _sorts(labels: Mapping[str, str], ks: Iterable[int]) -> Iterator[Sort]:
    """For every k what the teacher, distillation and its absence change."""
    for k in ks:
        yield from distilled_against(labels, "teacher", f"student.both.k{k}", f"student.alone.k{k}")
    yield all_wrong(labels)


def _submit(ctx: Context, partition: str, name: str, batches: Iterator[tuple[list[str], np.ndarray]]) -> None:
    with (ctx.out / "submission" / f"{partition}.{name}.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(submission.document(batches))
