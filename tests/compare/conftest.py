"""A store with hand-made results: trainings of two seeds under two settings, and their evaluations with answers by item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cache.publication import publish
from cache.record import Key, Record
from cache.store import Store
from models.evaluation.files import Prediction, write_evaluation
from pipeline.cli.session import default
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge
from tests.report.conftest import LABELS, evaluation

#: item -> the true answer; two questions each are about one video.
TRUTH = {f"q{n}": ("run" if n % 2 else "walk") for n in range(8)}


def said(network: str, right: Iterable[str], truth: Mapping[str, str] = TRUTH) -> list[Prediction]:
    """Answers of a network that is right on these items, and says ``sit`` on the others."""
    mine = set(right)
    return [
        Prediction(
            network,
            item,
            answer,
            answer if item in mine else "sit",
            {"video_id": int(item[1:]) // 2, "question": ["what", "is", item]},
            "what",
        )
        for item, answer in truth.items()
    ]


@dataclass
class Results:
    """A store, and how results come into it."""

    store: Store
    made: dict[str, Record] = field(default_factory=dict)

    def add(
        self, node: str, params: Mapping[str, Any], reads: Mapping[str, Record] | None = None, code: str = "a", write: Any = None
    ) -> Record:
        """Publish a result; what it holds depends on its settings and what it reads."""
        reads = reads or {}
        stage, temporary = node.split(".")[0], self.store.new_directory()
        if write is None:
            (temporary / "files" / "made").write_text(f"{node} {params} {code} {[one.object for one in reads.values()]}")
        else:
            write(temporary / "files")
        inputs = {alias: one.object for alias, one in reads.items()}
        key = Key(stage, 1, f"systems.toy.{stage}:run", dict(params), {"systems.toy.train": code}, inputs)
        definitions = {"systems.toy.train": {"loss": code}}
        parents = {alias: one.digest for alias, one in reads.items()}

        def describe(manifest: Any) -> Record:
            return Record(key, manifest.digest, node=node, dataset="tiny", system="videoqa", parents=parents, definitions=definitions)

        with self.store.publishing():
            return publish(self.store, temporary, describe)

    def experiment(
        self, alpha: float, seeds: Iterable[int] = (0, 1), *, right: str = "q0 q1", code: str = "a", keep: bool = True, **changes: Any
    ) -> list[Record]:
        """Evaluations of a teacher and two students; the distilled one is right on these items."""
        found = []
        for seed in seeds:
            teacher = self.add(f"teacher.s{seed}", {"seed": seed})
            alone = self.add(f"student.alone.s{seed}", {"seed": seed, "kd": False})
            distilled = self.add(f"student.kd.s{seed}", {"seed": seed, "kd": True, "kd_alpha": alpha}, {"teacher": teacher}, code)
            reads = {"teacher": teacher, "student.alone": alone, "student.kd": distilled}
            answers = [*said("teacher", TRUTH), *said("student.alone", ["q0"]), *said("student.kd", right.split())]
            scores = evaluation(seed, seed, **changes)

            def write(files: Path, scores: Any = scores, answers: Any = answers) -> None:
                write_evaluation(files, scores, predictions=answers if keep else None)

            found.append(self.add(f"evaluate.s{seed}", {"seed": seed}, reads, write=write))
        return found


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """An empty store."""
    store = Store(tmp_path / "store")
    store.prepare()
    return Results(store)


@pytest.fixture
def judge(results: Results) -> Judge:
    """A judge of the store; the results in it are known by their keys."""
    return Judge(results.store, build(Config("tiny", default("system"), [])), looking=True)


@pytest.fixture
def labels() -> Mapping[str, str]:
    """What the networks are called."""
    return LABELS


Compare = Callable[..., dict[str, Any]]


@pytest.fixture
def compared(results: Results, judge: Judge) -> Compare:
    """Compare two results."""
    from pipeline.compare.comparison import compare
    from pipeline.compare.sides import Side, side

    def sides(records: list[Record]) -> Side:
        found = [side(judge, record.digest) for record in records]
        notes = tuple(note for one in found for note in one.notes)
        return Side("named", (), tuple(r for one in found for r in one.results), tuple(s for one in found for s in one.scored), notes)

    def compare_records(first: list[Record], second: list[Record], **how: Any) -> dict[str, Any]:
        return compare(results.store, sides(first), sides(second), **how)

    return compare_records
