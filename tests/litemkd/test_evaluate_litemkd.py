"""The evaluation and the timing on clips and networks that are made here: nothing is trained."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cache.errors import DataError
from cache.items import ItemSet
from cache.json_files import read_json, write_json, write_lines
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from media.frames import encode_image, encode_payload
from models.evaluation.files import read_curves, read_evaluation, read_predictions
from models.training import artifact
from models.training.result import Result
from systems.litemkd import EvaluateParams, TimingParams, dumped, evaluate, timing, trained
from systems.litemkd.by_video import Taken
from systems.litemkd.draws import TEST_EPISODE
from systems.litemkd.episodes import Shape, pool
from systems.litemkd.protocol import episode_accuracies
from systems.litemkd.videos import Video
from systems.litemkd.views import network_input, view

SIZE, WIDTH = 28, 128  # of small2d's features
VIDEOS = [Video(f"class{number % 4}", f"v{number:02d}") for number in range(20)]
LOST = "v07"
SHARED = {"frames": 8, "out_dim": 8}
NETWORKS: Mapping[str, dict[str, Any]] = {
    "teacher": {"variant": "two", "dim": WIDTH, "layers": 1, "feedforward": 16, "shifts": {}},
    "expert.rgb": {"kind": "trx", "network": "small2d"},
    "expert.flow": {"kind": "baseline", "network": "small2d"},
    "student.kd": {"network": "small2d", "shape": "d2m", "head": "d2m", "dim": 16},
    "student.alone": {"network": "small2d", "shape": "plain", "head": "trx", "dim": 16},
}
PARAMS = EvaluateParams(("small2d",), way=3, shots=(2, 1), episodes=40, batch_size=3)


def clip(number: int) -> np.ndarray:
    """Eight frames of coloured cells, which are partly those of the class."""
    cells = [np.random.default_rng(seed).integers(0, 256, (8, 5, 5, 3)) for seed in (number % 4, 100 + number)]
    return (0.4 * cells[0] + 0.6 * cells[1]).astype(np.uint8).repeat(8, 1).repeat(8, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index, frames, dumps and networks."""
    root = tmp_path_factory.mktemp("evaluate")
    for name in ("index", "frames", *NETWORKS, "dump.rgb", "dump.flow"):
        (root / name).mkdir()
    write_json(root / "index" / "dataset.json", {"name": "toy"})
    write_lines(root / "index" / "media.jsonl", [{"id": v.name, "splits": ["few-shot/test"]} for v in VIDEOS])
    write_lines(root / "index" / "annotations.jsonl", [{"video_id": v.name, "classes": [v.label]} for v in VIDEOS])
    items, lines = ItemSet(root / "items"), []
    for number, video in enumerate(VIDEOS):
        stills = {place: encode_image(frame) for place, frame in enumerate(clip(number))}
        payload = encode_payload(np.arange(8, dtype=np.int32)[None], dict.fromkeys(stills, 0.0), stills)
        key = hashlib.sha256(payload).hexdigest()
        items.append(key, payload)
        lines.append({"id": video.name, "media": key, "frames": key, "count": 8, "width": 40, "height": 40})
    items.flush()
    write_lines(root / "frames" / "frames.jsonl", [line for line in lines if line["id"] != LOST])
    for modality in ("rgb", "flow"):
        features = [np.random.default_rng([number, modality == "rgb"]).random((8, WIDTH), np.float32) for number in range(len(VIDEOS))]
        dumped.write(root / f"dump.{modality}", [(v.name, "", "") for v in VIDEOS], features, 8, WIDTH, {"view": "centre"})
    torch.manual_seed(0)
    for name, arguments in NETWORKS.items():
        given = {"role": name.split(".")[0], **SHARED, **arguments}
        state = {key: value.detach() for key, value in trained.build(**given).state_dict().items()}
        about = {"role": given["role"], "seed": 5, "arguments": given, "image_size": SIZE, "switches": {"normalise": "none"}}
        curve = [{"epoch": 0.0, "train_accuracy": 0.5, "val_accuracy": 0.5}]
        artifact.write_network(root / name, Result(state, 0, curve, "accuracy"), about | {"modalities": ["rgb", "flow"]})
    return root


def context(made: Path, params: Any, out: Path, names: list[str]) -> Context:
    out.mkdir()
    inputs = {name: made / name for name in names}
    frames = {"frames": ItemSet(made / "items", writable=False)}
    return Context(params, out, out, Ledger(), Quiet, inputs=inputs, input_items=frames)


@pytest.fixture(scope="module")
def found(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    names = ["index", "frames", *NETWORKS, "dump.rgb", "dump.flow"]
    ctx = context(made, PARAMS, tmp_path_factory.mktemp("found") / "out", names)
    evaluate.run(ctx)
    yield ctx


def test_every_network_has_a_score_for_each_number_of_shots_with_its_interval_over_episodes(found: Context) -> None:
    evaluation = read_evaluation(found.out)
    assert [row.name for row in evaluation.networks] == list(NETWORKS)
    assert [column.name for column in evaluation.columns] == ["3-way 2-shot", "3-way 1-shot"]
    assert all(0 < score.value < 1 and 0 < (score.half or 0) < 0.2 for row in evaluation.networks for score in row.scores.values())
    assert evaluation.own is not None and evaluation.own.n == 40 and evaluation.seed == 5
    assert evaluation.networks[0].label == "teacher (rgb + flow)"
    assert set(evaluation.pairs) == {("student.kd", "student.alone"), ("teacher", "student.alone")}
    assert {record["model"] for record in read_curves(found.out)} == set(NETWORKS)


def test_a_student_scores_what_the_published_procedure_gives(made: Path, found: Context) -> None:
    student, _ = trained.read(made / "student.kd")
    kept = [video for video in VIDEOS if video.name != LOST]
    frames = {video: network_input(view(clip(VIDEOS.index(video)), SIZE)) for video in kept}
    pictures = torch.from_numpy(np.stack([frames[video] for video in kept]))

    def published(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        return student.answer(student(pictures[support], labels, pictures[query]))

    tested = pool(VIDEOS, kept, Shape(3, 2, 1))
    each = episode_accuracies(tested, {video: row for row, video in enumerate(kept)}, published, episodes=40)
    scores = {row.name: row.scores for row in read_evaluation(found.out).networks}
    assert scores["student.kd"]["3-way 2-shot"].value == each.mean()


def test_what_a_video_was_taken_for_is_counted_over_all_of_its_queries(made: Path, found: Context) -> None:
    kept = [video for video in VIDEOS if video.name != LOST]
    tested = pool(VIDEOS, kept, Shape(3, 1, 1))
    asked = Counter(video.name for index in range(40) for video in tested.episode(0, index, TEST_EPISODE).query)
    said = [one for one in read_predictions(found.out) if (one.model, one.kind) == ("student.kd", "3-way 1-shot")]
    assert {one.about["video_id"]: one.about["queries"] for one in said} == dict(asked)
    own = {video.name: video.label for video in VIDEOS}
    right = 0.0
    for one in said:
        shares = dict(one.top)
        assert one.answer == own[one.about["video_id"]] and sum(shares.values()) == pytest.approx(1, abs=1e-3)
        assert one.is_right == (shares.get(one.answer, 0) >= 0.5) == (one.prediction == one.answer)
        right += shares.get(one.answer, 0) * one.about["queries"]
    score = {row.name: row.scores for row in read_evaluation(found.out).networks}["student.kd"]["3-way 1-shot"].value
    assert right / sum(asked.values()) == pytest.approx(score, abs=1e-3)


def test_a_video_that_is_taken_for_its_own_class_in_half_of_its_queries_is_right() -> None:
    taken = Taken([Video("a", "v"), Video("b", "w"), Video("c", "never asked")])
    first, second = taken.predictions("net", "5-shot", np.array([[2, 1, 1], [3, 2, 1], [0, 0, 0]]))
    assert (first.prediction, first.is_right, first.top) == ("a", True, [("a", 0.5), ("b", 0.25), ("c", 0.25)])
    assert (second.item, second.prediction, second.is_right) == ("w, 5-shot", "a", False)


def test_a_video_that_is_lost_is_counted_and_in_no_episode(found: Context) -> None:
    items = read_evaluation(found.out).items
    assert (items.total, items.scored) == (20, 19)
    assert found.ledger.entries[LOST].state == "lost_before" and found.ledger.entries["v00"].state == "ok"


def test_a_teacher_costs_what_its_experts_cost_too(found: Context) -> None:
    costs = {row.name: row.costs for row in read_evaluation(found.out).networks}
    trunks = costs["expert.flow"]["parameters"]  # a network without a head
    assert costs["teacher"]["flops"] > 2 * costs["expert.flow"]["flops"]
    assert costs["teacher"]["parameters"] > 2 * trunks and costs["student.kd"]["parameters"] > costs["student.alone"]["parameters"]


def test_students_alone_are_evaluated_without_a_teacher_or_dumps(made: Path, tmp_path: Path, found: Context) -> None:
    ctx = context(made, PARAMS, tmp_path / "out", ["index", "frames", "student.kd", "student.alone"])
    evaluate.run(ctx)
    whole = {row.name: row.scores for row in read_evaluation(found.out).networks}
    assert {row.name: row.scores for row in read_evaluation(ctx.out).networks} == {name: whole[name] for name in whole if "student" in name}


def test_too_few_classes_are_refused(made: Path, tmp_path: Path) -> None:
    ctx = context(made, replace(PARAMS, way=5), tmp_path / "out", ["index", "frames", "student.alone"])
    with pytest.raises(DataError, match="4 of 4 classes"):
        evaluate.run(ctx)


def test_features_of_random_views_are_flagged(made: Path, tmp_path: Path) -> None:
    about = made / "dump.flow" / "features.json"
    before = about.read_text()
    try:
        write_json(about, {**read_json(about), "view": "random"})
        ctx = context(made, PARAMS, tmp_path / "out", ["index", "frames", "expert.flow", "dump.flow"])
        evaluate.run(ctx)
    finally:
        about.write_text(before)
    assert any("random views" in flag for flag in read_evaluation(ctx.out).flags)


def test_every_network_is_timed_on_whole_episodes(made: Path, tmp_path: Path) -> None:
    params = TimingParams(("small2d",), way=2, shot=1, repeats=1, batch_size=2)
    ctx = context(made, params, tmp_path / "out", list(NETWORKS))
    timing.run(ctx)
    told = json.loads((ctx.out / "timing.json").read_text())
    assert set(told["models"]) == set(NETWORKS) and all(time["ms_alone"] > 0 for time in told["models"].values())
