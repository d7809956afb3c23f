"""The ``svm`` stage: a linear SVM on frozen features, of video, of audio, and of both together (spec 10.3).

Writes ``scores.json`` (of every input: the cost, why it was chosen, top-1 and top-5, and what each cost gave), ``answers.npz`` (ids,
labels, and the class that each input's SVM names) and the SVMs, ``svm.npz`` (names of the classes, weights and biases).
Costs are tried on a part of the training files, whole classes alike, and the best is trained again on all; with ``selection=test`` the
best on the test set is reported, as published, which flatters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.json_files import read_json, write_json
from cache.stage import Context
from systems.xkd.dumped import Dumped, FloatArray
from systems.xkd.listed import listed, require_single
from systems.xkd.svm import Linear, Result, sweep, unit

BOTH = "both"
SVMS = "svm.npz"
Labels = npt.NDArray[np.int64]


def run(ctx: Context) -> None:
    """Choose the cost of every input, train, score."""
    params = ctx.params
    inputs = [*params.modalities, *([BOTH] if len(params.modalities) > 1 else [])]
    found: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    learnt: dict[str, Any] = {"classes": np.array(classes_of(ctx.inputs["index"], ctx.inputs["features"]))}
    with ctx.progress("svm", total=len(inputs)) as bar:
        for name in inputs:
            (train, train_labels), (test, test_labels), ids = material(ctx.inputs["index"], ctx.inputs["features"], name)
            best, tried = chosen(params, (train, train_labels), (test, test_labels))
            found[name] = {"top-1": best.top1 / 100, "top-5": best.top5 / 100, "cost": best.cost, "tried": tried}
            answers |= {"ids": np.array(ids), "labels": test_labels, name: best.decisions.argmax(1)}
            learnt |= {f"{name}.{part}": value for part, value in best.svm._asdict().items()}
            bar.step()
    write_json(ctx.out / "scores.json", {"selection": params.switch("selection"), "files": len(ids), "inputs": found})
    for own, arrays in (("answers.npz", answers), (SVMS, learnt)):
        with (ctx.out / own).open("wb") as file:
            np.savez(file, **arrays)


def classes_of(index: Path, features: Path) -> tuple[str, ...]:
    """The names of the classes that are told apart."""
    return listed(index, read_json(features / "features.json")["train"]).classes


def read_svms(artifact: Path) -> tuple[list[str], dict[str, Linear]]:
    """The names of the classes, and the SVM of each input. Raises DataError for a result of an older kdpipe, which has none."""
    path = artifact / SVMS
    if not path.is_file():
        raise DataError("this result was made before SVMs were kept", hint="kdpipe run svm makes it again")
    with np.load(path) as file:
        inputs = [name.removesuffix(".bias") for name in file.files if name.endswith(".bias")]
        return file["classes"].tolist(), {name: Linear(file[f"{name}.weights"], file[f"{name}.bias"]) for name in inputs}


def material(index: Path, features: Path, name: str) -> tuple[tuple[FloatArray, Labels], tuple[FloatArray, Labels], list[str]]:
    """Training and test features (files, clips, D) with labels (files,), and the ids of the test files. ``both``: see :func:`joined`.

    Raises DataError for a dataset whose files have several classes.
    """
    parts, ids = [], []
    for use in ("train", "test"):
        own = [Dumped(features, use, modality) for modality in (("video", "audio") if name == BOTH else (name,))]
        ids, values = own[0].ids, [one.all() for one in own]
        split = listed(index, own[0].about[use])
        require_single(split)
        parts.append((joined(*values) if name == BOTH else values[0], split.numbers(ids)))
    return parts[0], parts[1], ids


def joined(video: FloatArray, audio: FloatArray) -> FloatArray:
    """(files, clips, D + E) of (files, clips · crops, D) and (files, clips, E), each of length 1, video averaged over its crops."""
    clips = audio.shape[1]
    seen = unit(video).reshape(len(video), clips, -1, video.shape[-1]).mean(2)
    return np.concatenate([seen, unit(audio)], -1).astype(np.float32)


def chosen(params: Any, train: tuple[FloatArray, Labels], test: tuple[FloatArray, Labels]) -> tuple[Result, dict[str, float]]:
    """The SVM to report, and the top-1 of every cost that was tried."""
    selection = params.switch("selection")
    if selection == "fixed":
        return next(fitted(params, train, test, (params.cost,))), {}
    if selection == "test":
        results = list(fitted(params, train, test, params.costs))
        return max(results, key=lambda result: result.top1), {f"{r.cost:g}": r.top1 / 100 for r in results}
    held = held_out(train[1], params.held_out)
    (x, y), results = train, []
    results = list(fitted(params, (x[~held], y[~held]), (x[held], y[held]), params.costs))
    best = max(results, key=lambda result: result.top1)
    return next(fitted(params, train, test, (best.cost,))), {f"{r.cost:g}": r.top1 / 100 for r in results}


def fitted(params: Any, train: tuple[FloatArray, Labels], test: tuple[FloatArray, Labels], costs: tuple[float, ...]) -> Iterator[Result]:
    """SVMs on all clips of the training files, tested on files."""
    x, y = train
    rows = x.reshape(-1, x.shape[-1]), np.repeat(y, x.shape[1])
    yield from sweep(rows, test, costs, standardise=params.standardise, seed=params.seed)


def held_out(labels: Labels, share: float) -> npt.NDArray[np.bool_]:
    """Which training files choose the cost: the last ones of each class, at least one where it has two."""
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        count = min(len(own) - 1, max(1, round(share * len(own))))
        held[own[len(own) - count :]] = True
    return held
