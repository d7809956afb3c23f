"""Linear SVMs, fitted on the other folds, name the sounds of the fold that was left out."""

import json

import numpy as np
from scipy.optimize import minimize
from systems.sounds.pretrain import encoder, spectra

from models.evaluation.files import network_curves, write_evaluation
from models.evaluation.record import Column, Evaluation, Items, Panel, Row, Score
from models.training.artifact import read_network


def svm(x, y, classes, cost):
    """Weights (classes, F) of one-against-the-rest SVMs with squared hinge on ``x`` (N, F)."""

    def objective(w, sign):
        slack = np.maximum(0, 1 - sign * (x @ w))
        return 0.5 * w @ w + cost * slack @ slack, w - 2 * cost * (sign * slack) @ x

    return np.stack([minimize(objective, np.zeros(x.shape[1]), np.where(y == c, 1.0, -1.0), jac=True).x for c in range(classes)])


def run(ctx):
    """Score the SVM on the teacher's features, and one on plain spectra, which has no curves."""
    p, about = ctx.params, json.loads((ctx.inputs["index"] / "dataset.json").read_text())
    said = map(json.loads, (ctx.inputs["index"] / "annotations.jsonl").open())
    named = {row["video_id"]: about["classes"].index(row["classes"][0]) for row in said}
    (known, x), (asked, tested) = (spectra(ctx, f"{p.fold}/{part}") for part in ("train", "test"))
    y, truth = (np.array([named[id] for id in ids]) for ids in (known, asked))
    teacher = read_network(ctx.inputs["pretrain"], encoder)[0]
    rows = []
    for name, features in (("svm.teacher", teacher), ("svm.spectrum", lambda sounds: sounds.mean(1))):
        f, g = (np.pad(features(part).double().numpy(), ((0, 0), (0, 1)), constant_values=1.0) for part in (x, tested))
        right = (g @ svm(f, y, len(about["classes"]), p.cost).T).argmax(1) == truth
        rows.append(Row(name, f"SVM on the {name[4:]}", {"accuracy": Score(float(right.mean()))}))
    items, more = Items("sound", len(truth), len(truth)), {"fold": str(p.fold), "panels": (Panel("train_imitate_loss", "imitation"),)}
    what = ("sound classification", "accuracy", about["name"], "test", p.seed, (Column("accuracy"),))
    curves = network_curves("svm.teacher", ctx.inputs["pretrain"])
    write_evaluation(ctx.out, Evaluation(*what, items, tuple(rows), **more), curves=curves)
