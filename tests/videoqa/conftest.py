"""A tiny set of features and questions, and contexts in which the real stage functions run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from cache.hdf5 import FeatureWriter
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from systems.videoqa import DumpParams, EvaluateParams, StudentParams, TeacherParams

CLIPS, FRAMES, VISION = 3, 4, 16
WORDS = ("<NULL>", "<UNK>", "what", "who", "how", "is", "the", "man", "doing", "colour")
ANSWERS = ("<UNK0>", "<UNK1>", "red", "blue", "green", "jump", "wave")
COUNTS = {"train": 33, "val": 9, "test": 11}
SIZES = {"module_dim": 16, "batch_size": 8, "epochs": 3, "lr": 5e-3, "lr_steps": (2,)}


@dataclass
class Bench:
    """Artifacts of the stages before this system, and a way to run its stages."""

    root: Path
    inputs: dict[str, Path]

    def context(self, params: Any, name: str, inputs: Mapping[str, Path] | None = None) -> Context:
        """A context with a fresh output directory ``name`` and the upstream artifacts (plus ``inputs``)."""
        out, scratch = self.root / name, self.root / f"{name}.scratch"
        for directory in (out, scratch):
            directory.mkdir(exist_ok=True)
        return Context(
            params=params,
            out=out,
            scratch=scratch,
            ledger=Ledger(),
            progress=Quiet,
            inputs={**self.inputs, **(inputs or {})},
        )

    def run(self, function: Callable[[Context], None], params: Any, name: str, **inputs: Path) -> Path:
        """Run a stage and return its artifact."""
        ctx = self.context(params, name, {key.replace("__", "."): path for key, path in inputs.items()})
        function(ctx)
        return ctx.out

    def teacher(self, name: str = "teacher", **changes: Any) -> Path:
        """Train a tiny teacher."""
        from systems.videoqa import teacher

        return self.run(teacher.run, TeacherParams(**{**SIZES, "graph_layers": 2, "seed": 1, **changes}), name)

    def dump(self, teacher: Path, name: str = "dump", **changes: Any) -> Path:
        """Dump the targets of a teacher."""
        from systems.videoqa import dump

        return self.run(dump.run, DumpParams(**changes), name, teacher=teacher)

    def student(self, name: str, inputs: Mapping[str, Path] | None = None, **changes: Any) -> Path:
        """Train a tiny student."""
        from systems.videoqa import student

        return self.run(student.run, StudentParams(**{**SIZES, "seed": 1, **changes}), name, **(inputs or {}))

    def evaluation(self, networks: Mapping[str, Path], name: str = "evaluate.s1") -> Path:
        """Evaluate networks by name (``student__kd`` for ``student.kd``)."""
        from systems.videoqa import evaluate

        return self.run(evaluate.run, EvaluateParams(), name, **networks)


def upstream(root: Path, *, without: tuple[int, ...] = (), counts: Mapping[str, int] = COUNTS) -> dict[str, Path]:
    """Write index, questions and features below ``root``: 12 videos with integer ids; those of ``without`` have no motion row."""
    random = np.random.default_rng(0)
    videos = list(range(3, 15))
    paths = {name: root / name for name in ("index", "questions", "appearance", "motion")}
    for path in paths.values():
        path.mkdir(parents=True)
    (paths["index"] / "dataset.json").write_text(json.dumps({"name": "tiny"}))
    rows, first = [], [WORDS.index(word) for word in ("what", "who", "how", "is")]
    for split, n in counts.items():
        length = int({"train": 6, "val": 5, "test": 5}[split])
        lengths = random.integers(2, length + 1, n)
        tokens = np.zeros((n, length), np.int32)
        for row, size in enumerate(lengths):
            tokens[row, :size] = random.integers(2, len(WORDS), size)
            tokens[row, 0] = first[row % 4]
        answers = random.integers(2, len(ANSWERS), n)
        if split == "test":
            answers[0] = 1
        ids = random.choice(videos, n)
        save_file(
            {
                "tokens": tokens,
                "lengths": lengths.astype(np.int32),
                "answers": answers.astype(np.int64),
                "video_ids": ids.astype(np.int64),
                "question_ids": np.arange(n, dtype=np.int64),
            },
            paths["questions"] / f"{split}.safetensors",
        )
        for row in range(n):
            words = " ".join(WORDS[token] for token in tokens[row, : lengths[row]])
            answer = "unheard" if answers[row] == 1 else ANSWERS[answers[row]]
            rows.append({"split": split, "question_id": row, "video_id": str(ids[row]), "question": f"{words}?", "answer": answer})
    (paths["index"] / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_file({"glove": random.standard_normal((len(WORDS), 10)).astype(np.float32)}, paths["questions"] / "glove.safetensors")
    vocabulary = {
        "answer_token_to_idx": {word: i for i, word in enumerate(ANSWERS)},
        "question_token_to_idx": {word: i for i, word in enumerate(WORDS)},
        "question_answer_token_to_idx": {"<NULL>": 0, "<UNK>": 1},
    }
    (paths["questions"] / "vocab.json").write_text(json.dumps(vocabulary, indent=4))
    language = {"answer_classes": 5, "question_tokens": 8, "glove": {"width": 10, "words_with_vector": 7}}
    (paths["questions"] / "coverage.json").write_text(json.dumps({**language, "splits": {"test": {"unknown_answers": 1}}}))
    for kind, array, shape in (("appearance", "resnet_features", (CLIPS, FRAMES, VISION)), ("motion", "resnext_features", (CLIPS, VISION))):
        present = [v for v in videos if kind == "appearance" or v not in without]
        order = present if kind == "appearance" else present[::-1]  # the two files need not have the same order
        with FeatureWriter(paths[kind] / f"tiny_{kind}_feat.h5", array, [str(v) for v in order], shape) as file:
            for video in order:
                file.append(np.random.default_rng([video, len(kind)]).random(shape, np.float32))
        about = {"kind": kind, "file": f"tiny_{kind}_feat.h5", "array": array, "dataset": "tiny", "backbone": "drawn", "weights": "none"}
        record = {**about, "random": kind == "motion", "width": VISION, "clips": CLIPS, "videos": len(order), "zero_rows": []}
        (paths[kind] / "features.json").write_text(json.dumps(record))
    return paths


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with whole features."""
    return Bench(tmp_path, upstream(tmp_path / "upstream"))


@pytest.fixture
def bench_with_lost_videos(tmp_path: Path) -> Bench:
    """A bench whose videos 4 and 7 have no motion features."""
    return Bench(tmp_path, upstream(tmp_path / "upstream", without=(4, 7)))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict[str, Path]]:
    """A bench with a teacher, its dump, all three students and their evaluation: made once, only read."""
    root = tmp_path_factory.mktemp("trained")
    made = Bench(root, upstream(root / "upstream"))
    teacher = made.teacher()
    dump = made.dump(teacher)
    alone = {"kd": "none"}
    found = {
        "teacher": teacher,
        "dump": dump,
        "student.kd": made.student("kd", {"dump": dump}),
        "student.alone": made.student("alone", **alone),
        "student.question": made.student("question", video="none", **alone),
    }
    networks = {name.replace(".", "__"): path for name, path in found.items() if name != "dump"}
    found["evaluate"] = made.evaluation(networks)
    return made, found
