"""The ``evaluate`` stage: every network of a seed on the test split, by the paper's protocol (spec 9).

Writes
  evaluation.json    accuracy overall and per question type of each network and of two answers that need none; what they cost
  predictions.jsonl  what each network says of each question; its id is the ``item``, video_id and question (tokens) stand beside
  curves.jsonl       the training curves of each network

Accuracy is over the questions whose video was not lost; in ``strict`` a lost question counts as wrong (:mod:`models.evaluation.files`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cache.json_files import read_json, read_lines
from cache.stage import Context
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS, flops_per
from models.evaluation.features import flags as feature_flags
from models.evaluation.features import notes as feature_notes
from models.evaluation.files import Prediction, network_curves, write_evaluation
from models.evaluation.kept import TOP
from models.evaluation.record import Column, Cost, Evaluation, Items, Panel, Row, Score
from models.evaluation.sorts import all_wrong, distilled_against
from models.training.artifact import read_network
from models.training.determinism import make_deterministic
from systems.videoqa import cost
from systems.videoqa.accuracy import Accuracy, accuracy
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
#: those that see the video
SEEING = ("teacher", "student.alone", "student.kd")
BASELINES = {"majority": "majority answer", "majority_by_type": "majority answer per type"}
#: what the report compares, seed by seed
PAIRS = (("student.kd", "student.alone"), ("teacher", "student.alone"))
#: the main column, over all types of question
ALL = "all"
COSTS = (
    PARAMETERS,
    Cost("parameters_without_vocabulary"),
    flops_per("question"),
    Cost("flops_of_video", "of these video", per=1e6, digits=1),
)
PANELS = (
    Panel("val_accuracy", "validation accuracy", "%"),
    Panel("train_ce", "training cross-entropy"),
    Panel("val_ce", "validation cross-entropy"),
    Panel("train_common", "agreement of the common graphs (training)", logarithmic=True),
    Panel("train_kd_appearance", "distillation: appearance (training)", logarithmic=True),
    Panel("train_kd_motion", "distillation: motion (training)", logarithmic=True),
    Panel("train_kd_logits", "distillation: answers (training)", logarithmic=True),
    Panel("train_dependence", "dependence of the graphs (training)", logarithmic=True),
)
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
    networks, curves, said = [], [], {}
    with ctx.progress("evaluate", total=len(LABELS)) as bar:
        for name, label in LABELS.items():
            model, about = read_network(ctx.inputs[name], DualVGR, ctx.device)
            said[name] = predict(model, blind if about["video"] == "none" else split, params.batch_size, ctx.device)
            costs = {**cost.parameters(model), **_flops(model, about, features, split)}
            networks.append(_network(name, label, score(split, said[name].ids, vocabulary), costs, about))
            curves += network_curves(name, ctx.inputs[name])
            bar.step()
    coverage = read_json(questions / "coverage.json")
    evaluation = Evaluation(
        task="video question answering",
        metric="accuracy",
        dataset=read_json(ctx.inputs["index"] / "dataset.json")["name"],
        split="test",
        seed=networks[0].about["seed"],
        columns=columns(split, vocabulary),
        items=Items("question", total=split.total, scored=len(split), needs="video"),
        networks=tuple(networks),
        baselines=tuple(_baseline(name, score(split, answers, vocabulary)) for name, answers in majority(split, train).items()),
        pairs=PAIRS,
        costs=COSTS,
        cost_note=f"{FLOPS_NOTE}; a question of {_tokens(split)} tokens",
        panels=PANELS,
        sorts=(*distilled_against(LABELS, "teacher", "student.kd", "student.alone"), all_wrong(SEEING)),
        notes=(_language(coverage), *feature_notes(features.about)),
        flags=(*feature_flags(features.about), *_lost_in_training(networks[0]), *_unknown(coverage, split)),
    )
    predictions = prediction_rows(said, split, vocabulary, ctx.inputs["index"])
    write_evaluation(ctx.out, evaluation, curves=curves, predictions=predictions)


@dataclass(frozen=True)
class Said:
    """What a network says of the questions of a file, in their order.

    ids (total,) are its answers, ``UNANSWERED`` where the video was lost; best (total, k) the ids of its best ones, with probabilities.
    """

    ids: np.ndarray
    best: np.ndarray
    probabilities: np.ndarray


@torch.no_grad()
def predict(model: DualVGR, split: Split, batch_size: int, device: str) -> Said:
    """Ask a network all questions of a split."""
    found: dict[str, np.ndarray] = {}
    for rows in split.by_video(batch_size):
        logits = answer(model, split.batch(rows, device)).logits
        probabilities, best = logits.softmax(1).topk(min(TOP, logits.shape[1]), dim=1)
        for name, value in {"ids": logits.argmax(1), "best": best, "probabilities": probabilities}.items():
            values = value.cpu().numpy()
            found.setdefault(name, np.empty((len(split), *values.shape[1:]), values.dtype))[rows.numpy()] = values
    return Said(**{name: _spread(split, values) for name, values in found.items()})


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


@dataclass(frozen=True)
class Scored:
    """Accuracy overall and per type over the answered questions, and over all of them (``strict``)."""

    answered: Accuracy
    strict: float


def score(split: Split, predicted: np.ndarray, vocabulary: Vocabulary) -> Scored:
    """Compare the answer ids (total,) with the truth."""
    answers, first = split.all["answers"].numpy(), split.all["tokens"][:, 0].numpy()
    here = predicted != UNANSWERED
    of_answered = accuracy(predicted[here], answers[here], first[here], vocabulary.questions)
    return Scored(of_answered, accuracy(predicted, answers, first, vocabulary.questions).overall)


def columns(split: Split, vocabulary: Vocabulary) -> tuple[Column, ...]:
    """All questions, and each type that occurs."""
    counts = accuracy(split.answers, split.answers, split.tokens[:, 0], vocabulary.questions).counts
    return (Column(ALL), *(Column(kind, items=count) for kind, count in counts.items()))


def prediction_rows(said: Mapping[str, Said], split: Split, vocabulary: Vocabulary, index: Path) -> Iterator[Prediction]:
    """What every network says of every question; ``answer`` is the annotation's own text, ``prediction`` None where the video was lost.

    The kind of a question is its first word, as in the columns. What is right is so by the protocol: of answers that training never shows
    it compares only that they are unknown, so a network that says ``<UNK1>`` is right by it.
    """
    words, answers = vocabulary.words, vocabulary.answer_words
    rows = read_lines(index / "questions.jsonl")
    truth = {int(row["question_id"]): row["answer"] for row in rows if row["split"] == split.name}
    tokens, lengths = split.all["tokens"].tolist(), split.all["lengths"].tolist()
    right = {name: (one.ids == split.all["answers"].numpy()).tolist() for name, one in said.items()}
    for name, one in said.items():
        best, probabilities = one.best.tolist(), one.probabilities.astype(float).round(4).tolist()
        for row, (question, video) in enumerate(zip(split.all["question_ids"].tolist(), split.all["video_ids"].tolist())):
            asked = [words[token] for token in tokens[row][: lengths[row]]]
            about = {"video_id": video, "question": asked}
            if one.ids[row] == UNANSWERED:
                yield Prediction(name, str(question), truth[question], None, about, kind=asked[0])
                continue
            top = [(answers[id], chance) for id, chance in zip(best[row], probabilities[row])]
            kept = {"kind": asked[0], "right": right[name][row], "top": top}
            yield Prediction(name, str(question), truth[question], answers[one.ids[row]], about, **kept)


def _network(name: str, label: str, scored: Scored, costs: Mapping[str, float], about: Mapping[str, Any]) -> Row:
    kept = {key: about[key] for key in ("role", "seed", "best_epoch", "video", "questions")}
    kept |= {key: about["arguments"][key] for key in ("graph_layers", "module_dim")}
    return Row(name, label, _scores(scored), scored.strict, validation=about["best_value"], costs=costs, about=kept)


def _baseline(name: str, scored: Scored) -> Row:
    return Row(name, BASELINES[name], _scores(scored), scored.strict)


def _scores(scored: Scored) -> dict[str, Score]:
    return {ALL: Score(scored.answered.overall), **{kind: Score(value) for kind, value in scored.answered.per_type.items()}}


def _language(coverage: Mapping[str, Any]) -> str:
    glove, words, classes = coverage["glove"], coverage["question_tokens"], coverage["answer_classes"]
    return f"language: {words} words, {glove['words_with_vector']} with a {glove['width']}-d vector; {classes} answer classes"


def _lost_in_training(network: Row) -> list[str]:
    counts = {split: count for split, count in network.about["questions"].items() if count["lost"]}
    return [f"{count['lost']} of {count['questions']} {split} questions have no video (lost): left out" for split, count in counts.items()]


def _unknown(coverage: Mapping[str, Any], split: Split) -> list[str]:
    unknown = coverage["splits"][split.name]["unknown_answers"]
    said = "have an answer that training never shows: counted, and right for a network that says <UNK1>, as published"
    return [f"{unknown} {split.name} questions {said}"] if unknown else []


def _flops(model: DualVGR, about: dict[str, Any], features: Features, split: Split) -> dict[str, int]:
    return cost.flops(model, cost.example(model, about, int(features.readers[0].shape[1]), _tokens(split)))


def _tokens(split: Split) -> int:
    """Length of a typical question: the median."""
    return int(split.lengths.median())


def _spread(split: Split, answered: np.ndarray) -> np.ndarray:
    """From answered questions to all questions of the file."""
    found = np.full((split.total, *answered.shape[1:]), UNANSWERED, answered.dtype)
    found[split.usable.numpy()] = answered
    return found


def _most_frequent(answers: Iterable[int]) -> int:
    """The most frequent known answer (ids 0 and 1 stand for all unknown ones); the first to appear wins a tie."""
    counted = Counter(answer for answer in answers if answer > 1)
    return counted.most_common(1)[0][0] if counted else 0
