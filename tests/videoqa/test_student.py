"""The student stage: distilled from a dump or online, alone, and without video."""

from __future__ import annotations

import json

import pytest
import torch

from cache.errors import ConfigError, DataError
from models.training.artifact import read_network
from systems.videoqa import StudentParams
from systems.videoqa.data import Features, Split, Targets
from systems.videoqa.evaluate import PANELS
from systems.videoqa.model import DualVGR
from systems.videoqa.student import cached, online
from systems.videoqa.train import VideoQATask


def curves(directory) -> list[dict]:
    return [json.loads(line) for line in (directory / "curves.jsonl").read_text().splitlines()]


def test_cached_and_online_targets_give_the_same_loss(trained) -> None:
    bench, made = trained
    features = Features(bench.inputs["appearance"], bench.inputs["motion"])
    train, val = (Split(bench.inputs["questions"], name, features) for name in ("train", "val"))
    student, _ = read_network(made["student.alone"], DualVGR)
    teacher, _ = read_network(made["teacher"], DualVGR)
    dumped = {split.name: {"fused": Targets(made["dump"], split)} for split in (train, val)}
    params = StudentParams(batch_size=8, seed=1)
    losses = []
    for source in (cached(dumped), online(teacher)):
        task = VideoQATask(student, train, val, params, "cpu", source)
        torch.manual_seed(0)
        found = [task.loss(batch) for batch in task.batches(0)]
        losses.append([float(total) for total, _, _ in found] + [float(terms["kd_appearance"]) for _, terms, _ in found])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6, abs=1e-6)
    assert all(value > 1e-4 for value in losses[0])


def test_training_against_cached_or_online_targets_takes_the_same_course(trained) -> None:
    bench, made = trained
    live = bench.student("online", {"teacher": made["teacher"]}, targets="online")
    for a, b in zip(curves(made["student.kd"]), curves(live), strict=True):
        assert a["train_ce"] == pytest.approx(b["train_ce"], rel=1e-3)
        assert a["train_kd_motion"] == pytest.approx(b["train_kd_motion"], rel=1e-3)


def test_cached_and_online_logits_give_the_same_loss(trained) -> None:
    bench, made = trained
    dump = bench.dump(made["teacher"], "dump_logits", logits=True)
    settings = {"kd_logits": 0.5, "kd_alpha": 0.0, "kd_beta": 0.0}
    cache = bench.student("logits_cached", {"dump": dump}, **settings)
    live = bench.student("logits_online", {"teacher": made["teacher"]}, targets="online", **settings)
    for a, b in zip(curves(cache), curves(live), strict=True):
        assert a["train_kd_logits"] > 1e-4
        assert a["train_kd_logits"] == pytest.approx(b["train_kd_logits"], rel=1e-3)
    with pytest.raises(DataError, match="holds no logits"):
        bench.student("logits_missing", {"dump": made["dump"]}, **settings)


def test_every_term_that_a_distilled_student_learns_from_is_drawn(trained) -> None:
    bench, made = trained
    live = bench.student("drawn", {"teacher": made["teacher"]}, targets="online", kd_logits=0.5)
    terms = {key for key in curves(live)[0] if key.startswith("train_")} - {"train_loss", "train_hard"}  # these are sums of terms
    assert "train_kd_logits" in terms and terms <= {panel.key for panel in PANELS}


def test_a_narrow_student_follows_its_teacher_through_projections_that_are_thrown_away(trained) -> None:
    bench, made = trained
    with pytest.raises(ConfigError, match="the student's 8"):
        bench.student("narrow", {"dump": made["dump"]}, module_dim=8)
    settings = {"module_dim": 8, "kd_projection": "linear", "epochs": 8, "alpha": 0.0}
    weak, strong = (bench.student(f"narrow{w}", {"dump": made["dump"]}, kd_alpha=w, kd_beta=w, **settings) for w in (0.0, 100.0))
    assert curves(strong)[-1]["val_kd_motion"] < 0.7 * curves(weak)[-1]["val_kd_motion"]
    network, about = read_network(strong, DualVGR)
    assert about["arguments"]["module_dim"] == 8
    assert not any("projection" in name for name in network.state_dict())
    alone = bench.student("narrow_alone", module_dim=8, epochs=8, alpha=0.0, kd="none")
    assert curves(weak)[0]["train_ce"] == pytest.approx(curves(alone)[0]["train_ce"], rel=1e-5)


def test_distillation_of_weight_zero_is_training_alone(trained) -> None:
    bench, made = trained
    nothing = bench.student("kd0", {"dump": made["dump"]}, kd_alpha=0.0, kd_beta=0.0)
    for a, b in zip(curves(nothing), curves(made["student.alone"]), strict=True):
        assert a["train_ce"] == pytest.approx(b["train_ce"], rel=1e-5)
        assert a["val_accuracy"] == b["val_accuracy"]


def test_distillation_changes_the_student(trained) -> None:
    _, made = trained
    assert (made["student.kd"] / "model.safetensors").read_bytes() != (made["student.alone"] / "model.safetensors").read_bytes()
    assert "train_kd_motion" in curves(made["student.kd"])[0]
    assert "train_kd_motion" not in curves(made["student.alone"])[0]


def test_a_strong_pull_brings_the_features_closer_to_the_teacher(trained) -> None:
    bench, made = trained
    weak, strong = (
        bench.student(f"pull{weight}", {"dump": made["dump"]}, kd_alpha=weight, kd_beta=weight, alpha=0.0, epochs=8)
        for weight in (0.0, 100.0)
    )
    assert curves(strong)[-1]["val_kd_motion"] < 0.7 * curves(weak)[-1]["val_kd_motion"]


def test_the_question_only_student_does_not_depend_on_the_features(trained) -> None:
    bench, made = trained
    features = bench.root / "other"
    from cache.hdf5 import FeatureReader, FeatureWriter

    about = json.loads((bench.inputs["motion"] / "features.json").read_text())
    reader = FeatureReader(bench.inputs["motion"] / about["file"])
    features.mkdir()
    with FeatureWriter(features / about["file"], about["array"], reader.ids, reader.shape) as file:
        for row in reader.all():
            file.append(row + 1)
    (features / "features.json").write_text(json.dumps(about))
    again = bench.student("question2", {"motion": features}, kd="none", video="none")
    assert (again / "model.safetensors").read_bytes() == (made["student.question"] / "model.safetensors").read_bytes()


def test_a_teacher_of_another_width_is_refused_with_the_command_to_type(trained) -> None:
    bench, made = trained
    with pytest.raises(ConfigError, match=r"student\.module_dim=16"):
        bench.student("wide", {"dump": made["dump"]}, module_dim=32)
