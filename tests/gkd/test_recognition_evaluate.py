"""The scores of recognition networks, one stream and two; time and cost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cache.errors import DataError
from cache.stage import Context
from models.evaluation.files import read_evaluation
from models.evaluation.times import Timing
from systems.gkd.recognition import trained
from systems.gkd.recognition.fusion import scores
from systems.gkd.recognition.seen import Look
from tests.gkd.recognition_bench import CLASSES, Bench, make_bench, rows, write_index, write_rows
from tests.gkd.test_recognition_clips import clips

NETWORKS = ("teacher", "student.alone", "student.kd", "student.alone.flow")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Clips that are only read."""
    return make_bench(tmp_path_factory.mktemp("evaluate"), test=2)


@pytest.fixture(scope="module")
def networks(bench: Bench) -> dict[str, Context]:
    """Networks that were trained for a moment, far enough to tell some clips apart."""
    teacher = bench.teacher(epochs=1, lr=0.05)
    made = [teacher, bench.student(epochs=1), bench.student("kd", teacher, epochs=1)]
    return dict(zip(NETWORKS, [*made, bench.student(modality="flow", name="student.alone.flow", epochs=1)], strict=True))


def test_scores_are_those_of_the_middle_of_every_test_clip(bench: Bench, networks: dict[str, Context]) -> None:
    made = bench.evaluate(networks)
    found = read_evaluation(made.out)
    assert (found.split, found.fold, found.items.scored, found.items.total) == ("1/test", "1", 6, 6)
    tested = [id for id, (split, _) in bench.videos.items() if split == "1/test"]
    labels = torch.tensor([CLASSES.index(bench.videos[id][1]) for id in tested])

    def logits(name: str) -> torch.Tensor:
        network = trained.read(networks[name].out)
        source = clips(bench, network.modality)
        views = [torch.from_numpy(Look(9, 32).middle(source, id))[None] for id in tested]
        with torch.no_grad():
            return torch.cat([network.model(view, weighted=network.modality == "rgb") for view in views])

    said = {name: scores(logits(name)) for name in NETWORKS}
    said["student.kd + flow"] = scores(logits("student.kd"), logits("student.alone.flow"))
    by_name = {row.name: row for row in found.networks}
    for name, expected in said.items():
        right = float((expected.argmax(1) == labels).double().mean())
        assert by_name[name].scores["top-1"].value == pytest.approx(right), name
        assert by_name[name].scores["top-5"].value == 1.0  # of three classes
    spoken = [json.loads(line) for line in (made.out / "predictions.jsonl").read_text().splitlines()]
    answers = [line["prediction"] for line in spoken if line["model"] == "student.kd + flow"]
    assert answers == [CLASSES[place] for place in said["student.kd + flow"].argmax(1).tolist()]


def test_what_is_compared_and_what_both_streams_cost(bench: Bench, networks: dict[str, Context]) -> None:
    found = read_evaluation(bench.evaluate(networks).out)
    assert [row.name for row in found.networks] == [*NETWORKS, "student.alone + flow", "student.kd + flow"]
    assert found.pairs == (
        ("student.kd", "student.alone"),
        ("teacher", "student.alone"),
        ("student.kd + flow", "student.alone + flow"),
    )
    cost = {row.name: row.costs for row in found.networks}
    for key in ("parameters", "flops"):
        assert cost["student.kd + flow"][key] == cost["student.kd"][key] + cost["student.alone.flow"][key]
        assert cost["student.alone.flow"][key] < cost["student.alone"][key] < cost["teacher"][key]
    assert {line["model"] for line in map(json.loads, (bench.root / "evaluate" / "curves.jsonl").read_text().splitlines())} == set(NETWORKS)


def test_a_clip_that_was_lost_counts_as_wrong_in_the_strict_score(tmp_path: Path) -> None:
    own = make_bench(tmp_path, test=2, modalities=("rgb",))
    networks = {"student.alone": own.student(epochs=1)}
    write_rows(own, "rgb", [line for line in rows(own) if line["id"] != "bee3"])
    made = own.evaluate(networks)
    found = read_evaluation(made.out)
    (row,) = found.networks
    assert (found.items.scored, found.items.total) == (5, 6)
    assert row.strict == pytest.approx(row.scores["top-1"].value * 5 / 6)
    assert made.ledger.entries["bee3"].state == "lost_before"


def test_a_network_of_other_classes_is_refused(tmp_path: Path) -> None:
    own = make_bench(tmp_path, modalities=("rgb",))
    networks = {"student.alone": own.student(epochs=1)}
    write_index(own, ("ant", "cat", "bee"))
    with pytest.raises(DataError, match=r"student\.alone tells 3 classes apart, and they are not the 3 of 1/test"):
        own.evaluate(networks)


def test_every_network_is_timed(bench: Bench, networks: dict[str, Context]) -> None:
    found = Timing.read(bench.time(networks).out)
    assert set(found.models) == set(NETWORKS)
    assert all(np.isfinite(times.ms_alone) and times.ms_alone > 0 for times in found.models.values())
