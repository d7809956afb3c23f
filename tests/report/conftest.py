"""Evaluations as the ``evaluate`` stage writes them, with numbers chosen by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cache.ledger import Ledger
from cache.stage import Context
from stages.report import ReportParams
from stages.report.run import run

LABELS = {"teacher": "teacher", "student.alone": "student alone", "student.kd": "student distilled"}
SCORES = {"teacher": (0.60, 0.62, 0.64), "student.alone": (0.40, 0.50, 0.60), "student.kd": (0.421, 0.519, 0.620)}


def _score(value: float) -> dict[str, Any]:
    by_type = {"what": value, "who": value / 2}
    return {
        "accuracy": value,
        "by_type": by_type,
        "questions_by_type": {"what": 6, "who": 4},
        "strict": {"accuracy": value * 0.9, "by_type": by_type},
    }


def metrics(seed: int, row: int, **changes: Any) -> dict[str, Any]:
    """``metrics.json`` of one seed."""
    extra = {
        "role": "",
        "seed": seed,
        "best_epoch": 1,
        "best_value": 0.5,
        "video": "full",
        "questions": {"train": {"questions": 30, "lost": 0}},
    }
    return {
        "task": "video question answering",
        "metric": "accuracy",
        "dataset": "tiny",
        "split": "test",
        "types": ["what", "who", "where"],
        "models": [{"name": name, "label": LABELS[name], **_score(SCORES[name][row]), **extra} for name in LABELS],
        "baselines": [{"name": "majority", "label": "majority answer", **_score(0.2)}],
        "pairs": [["student.kd", "student.alone"]],
        "coverage": {"questions": 10, "answered": 10, "lost": 0},
        "features": [
            {"kind": "appearance", "backbone": "small2d", "weights": "world", "random": False, "clips": 4, "videos": 5, "zero_rows": []}
        ],
        **changes,
    }


def curve(name: str, row: int, epochs: int) -> list[dict[str, Any]]:
    """Curves of one network: some with distillation terms."""
    kd = {"train_kd_appearance": 0.5, "train_kd_motion": 0.25} if name == "student.kd" else {}
    return [
        {
            "model": name,
            "epoch": e,
            "val_accuracy": 0.3 + 0.05 * e + 0.01 * row,
            "train_ce": 2 - 0.2 * e,
            "val_ce": 2.1,
            "train_common": 1e-3,
            **kd,
        }
        for e in range(epochs)
    ]


@pytest.fixture
def reported(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that runs the real stage over the given seeds and returns its artifact."""

    def make(seeds: Sequence[int] = (0, 1, 2), *, timing: bool = True, name: str = "report", **changes: Any) -> Path:
        inputs = {}
        for row, seed in enumerate(seeds):
            directory = tmp_path / f"{name}-{seed}"
            directory.mkdir()
            (directory / "metrics.json").write_text(json.dumps(metrics(seed, row, **changes)))
            cost = {"parameters": 1_234_567, "parameters_without_vocabulary": 1_000_000, "flops": 2_000_000, "flops_of_video": 1_500_000}
            (directory / "cost.json").write_text(json.dumps({"question_tokens": 6, "models": dict.fromkeys(LABELS, cost)}))
            rows = [record for model in LABELS for record in curve(model, row, 3 + row)]
            (directory / "curves.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rows))
            inputs[f"evaluate.s{seed}"] = directory
        questions = tmp_path / f"{name}-questions"
        questions.mkdir()
        language = {"answer_classes": 9, "question_tokens": 20, "glove": {"width": 50, "words_with_vector": 18, "words_without_vector": []}}
        (questions / "coverage.json").write_text(json.dumps({**language, "splits": {"test": {"unknown_answers": 2}}}))
        inputs["questions"] = questions
        if timing:
            inputs["timing"] = tmp_path / f"{name}-timing"
            inputs["timing"].mkdir()
            times = {
                "models": {name: {"ms_alone": 1.5, "ms_in_batch": 0.25} for name in LABELS},
                "batch_size": 32,
                "repeats": 5,
                "threads": 1,
                "device": "cpu",
            }
            (inputs["timing"] / "timing.json").write_text(json.dumps({**times, "question_tokens": 6}))
        out = tmp_path / name
        out.mkdir()
        run(Context(params=ReportParams(), out=out, scratch=tmp_path, ledger=Ledger(), progress=lambda *a, **k: None, inputs=inputs))  # type: ignore[arg-type]
        return out

    return make
