"""The ``evaluate`` stage: every network of a seed on the test split, by the paper's protocol (spec 9).

Writes
  metrics.json       accuracy overall and per question type of each network and of two answers that need none; coverage
  predictions.jsonl  one object per network and question: model, video_id, question_id, question (tokens), answer, prediction
  cost.json          parameters and FLOPs per question of each network
  curves.jsonl       the training curves of each network, one object per network and epoch

``accuracy`` is over the questions whose video was not lost; in ``strict`` a lost question counts as wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.videoqa import cost
from systems.videoqa.accuracy import QUESTION_TYPES, accuracy
from systems.videoqa.checkpoint import read_network
from systems.videoqa.data import Features, Split, Vocabulary
from systems.videoqa.model import DualVGR
from systems.videoqa.train import answer

#: name of a network among the inputs -> what the report calls it
LABELS = {
    "teacher": "teacher",
    "student.alone": "student alone",
    "student.kd": "student distilled",
    "student.question": "question only (no video)",
}
BASELINES = {"majority": "majority answer", "majority_by_type": "majority answer per type"}
#: what the report compares, seed by seed
PAIRS = (("student.kd", "student.alone"), ("teacher", "student.alone"))
UNANSWERED = -1


def run(ctx: Context) -> None:
    """Score the networks and write what the report needs."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    questions = ctx.inputs["questions"]
    vocabulary = Vocabulary.load(questions)
    features = Features(ctx.inputs["appearance"], ctx.inputs["motion"], memory_gb=params.memory_gb)
    nothing = Features(ctx.inputs["appearance"], ctx.inputs["motion"], memory_gb=0, nothing=True)
    split, train = (Split(questions, name, features) for name in ("test", "train"))
    blind = Split(questions, "test", nothing)
    for id in split.lost:
        ctx.ledger.add(f"test/{id}", "missing", "its video has no features: no network can answer")
    networks, costs, curves, predicted = {}, {}, [], {}
    with ctx.progress("evaluate", total=len(LABELS)) as bar:
        for name in LABELS:
            model, about = read_network(ctx.inputs[name], ctx.device)
            predicted[name] = predict(model, blind if about["video"] == "none" else split, params.batch_size, ctx.device)
            networks[name] = _network_record(about)
            costs[name] = {**cost.parameters(model), **_flops(model, about, features, split)}
            curves += [
                {"model": name, **json.loads(line)} for line in (ctx.inputs[name] / "curves.jsonl").read_text(encoding="utf-8").splitlines()
            ]
            bar.step()
    predicted |= majority(split, train)
    scores = {name: score(split, ids, vocabulary) for name, ids in predicted.items()}
    metrics = {
        "task": "video question answering",
        "metric": "accuracy",
        "dataset": json.loads((ctx.inputs["index"] / "dataset.json").read_text(encoding="utf-8"))["name"],
        "split": "test",
        "types": list(QUESTION_TYPES),
        "models": [{"name": name, "label": label, **scores[name], **networks[name]} for name, label in LABELS.items()],
        "baselines": [{"name": name, "label": label, **scores[name]} for name, label in BASELINES.items()],
        "pairs": [list(pair) for pair in PAIRS],
        "coverage": {"questions": split.total, "answered": len(split), "lost": len(split.lost)},
        "features": features.about,
    }
    _write(ctx.out / "metrics.json", metrics)
    _write(ctx.out / "cost.json", {"question_tokens": _tokens(split), "models": costs})
    _write_lines(ctx.out / "curves.jsonl", curves)
    rows = prediction_rows({name: predicted[name] for name in LABELS}, split, vocabulary, ctx.inputs["index"])
    _write_lines(ctx.out / "predictions.jsonl", rows)


@torch.no_grad()
def predict(model: DualVGR, split: Split, batch_size: int, device: str) -> np.ndarray:
    """Answer ids (total,) in the order of the question file; ``UNANSWERED`` where the video was lost."""
    answered = np.empty(len(split), np.int64)
    for rows in split.by_video(batch_size):
        answered[rows.numpy()] = answer(model, split.batch(rows, device)).logits.argmax(1).cpu().numpy()
    return _spread(split, answered)


def majority(split: Split, train: Split) -> dict[str, np.ndarray]:
    """Two answers without a network, both from the training split: the most frequent answer, and the most frequent per first token."""
    answers, first = train.all["answers"].tolist(), train.all["tokens"][:, 0].tolist()
    overall = _most_frequent(answers)
    by_type = {token: _most_frequent(a for a, f in zip(answers, first) if f == token) for token in sorted(set(first))}
    mine = split.tokens[:, 0].tolist()
    return {
        "majority": _spread(split, np.full(len(split), overall)),
        "majority_by_type": _spread(split, np.array([by_type.get(token, overall) for token in mine], np.int64)),
    }


def score(split: Split, predicted: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
    """Accuracy overall and per type over the answered questions, and over all of them (``strict``)."""
    answers, first = split.all["answers"].numpy(), split.all["tokens"][:, 0].numpy()
    here = predicted != UNANSWERED
    of_answered = accuracy(predicted[here], answers[here], first[here], vocabulary.questions)
    of_all = accuracy(predicted, answers, first, vocabulary.questions)
    return {
        "accuracy": of_answered.overall,
        "by_type": dict(of_answered.per_type),
        "questions_by_type": dict(of_answered.counts),
        "strict": {"accuracy": of_all.overall, "by_type": dict(of_all.per_type)},
    }


def prediction_rows(predicted: Mapping[str, np.ndarray], split: Split, vocabulary: Vocabulary, index: Path) -> Iterable[dict[str, Any]]:
    """The rows of ``predictions.jsonl``; ``answer`` is the annotation's own text, ``prediction`` null where the video was lost."""
    words, answers = vocabulary.words, vocabulary.answer_words
    truth = {}
    for line in (index / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["split"] == split.name:
            truth[int(row["question_id"])] = row["answer"]
    tokens, lengths = split.all["tokens"].tolist(), split.all["lengths"].tolist()
    for name, ids in predicted.items():
        for row, (question, video) in enumerate(zip(split.all["question_ids"].tolist(), split.all["video_ids"].tolist())):
            yield {
                "model": name,
                "question_id": question,
                "video_id": video,
                "question": [words[token] for token in tokens[row][: lengths[row]]],
                "answer": truth[question],
                "prediction": None if ids[row] == UNANSWERED else answers[ids[row]],
            }


def _network_record(about: dict[str, Any]) -> dict[str, Any]:
    chosen = ("role", "seed", "best_epoch", "best_value", "video", "questions")
    arguments = about["arguments"]
    return {**{key: about[key] for key in chosen}, "graph_layers": arguments["graph_layers"], "module_dim": arguments["module_dim"]}


def _flops(model: DualVGR, about: dict[str, Any], features: Features, split: Split) -> dict[str, int]:
    return cost.flops(model, cost.example(model, about, int(features.readers[0].shape[1]), _tokens(split)))


def _tokens(split: Split) -> int:
    """Length of a typical question: the median."""
    return int(split.lengths.median())


def _spread(split: Split, answered: np.ndarray) -> np.ndarray:
    """From answered questions to all questions of the file."""
    ids = np.full(split.total, UNANSWERED, np.int64)
    ids[split.usable.numpy()] = answered
    return ids


def _most_frequent(answers: Iterable[int]) -> int:
    """The most frequent known answer (ids 0 and 1 stand for all unknown ones); the first to appear wins a tie."""
    counted = Counter(answer for answer in answers if answer > 1)
    return counted.most_common(1)[0][0] if counted else 0


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), encoding="utf-8")
