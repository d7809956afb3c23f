"""Teacher, dump, student, evaluation and timing on a small set of features."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from cache.errors import ConfigError, DataError
from models.evaluation.files import read_evaluation, read_predictions
from models.evaluation.record import Row
from systems.fewerframes import EvaluateParams, StudentParams, TeacherParams, TimingParams, evaluate, student, teacher
from systems.fewerframes.data import Partition, open_partition
from systems.fewerframes.student import objective_of
from systems.fewerframes.targets import Dumped, Online
from systems.fewerframes.trained import read_network
from tests.fewerframes.conftest import CLASSES, COUNTS, SIZES, Bench, write_features


def curves(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "curves.jsonl").read_text().splitlines()]


def rows(directory: Path) -> dict[str, Row]:
    return {row.name: row for row in read_evaluation(directory).rows}


def gaps(directory: Path) -> dict[str, float]:
    return {name: row.scores["GAP@20"].value for name, row in rows(directory).items()}


def weights(directory: Path) -> bytes:
    return (directory / "model.safetensors").read_bytes()


def test_a_teacher_learns_and_carries_its_normalisation_and_its_view(bench: Bench) -> None:
    found = bench.teacher(epochs=6)
    network = read_network(found)
    assert network.normalisation.name == "l2" and network.view.rule == "all"
    losses = [record["train_ce"] for record in curves(found)]
    assert losses[-1] < 0.7 * losses[0]
    networks = {"teacher": found, "student.alone.k6": bench.student("alone", epochs=6)}
    scores = gaps(bench.evaluation(networks))
    assert scores["teacher"] > scores["student.alone.k6"] > scores["frequency"]


def test_a_training_that_is_stopped_and_run_again_ends_in_the_same_bits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import loop
    from models.training.pace import Pace
    from systems.fewerframes.train import VideoTask

    whole = bench.teacher("whole", drop_rate=0.3)
    saved = loop.fit
    monkeypatch.setattr("systems.fewerframes.train.fit", lambda *a, **k: saved(*a, **k, pace=Pace(seconds=0.0, share=1e9)))
    steps, original = [], VideoTask.loss

    def stopped(self: VideoTask, step: object) -> object:
        steps.append(step)
        if len(steps) == 13:
            raise KeyboardInterrupt
        return original(self, step)

    monkeypatch.setattr(VideoTask, "loss", stopped)
    with pytest.raises(KeyboardInterrupt):
        bench.teacher("stopped", drop_rate=0.3)
    again = bench.teacher("stopped", drop_rate=0.3)
    assert len(steps) < 13 + len(curves(whole)) * 8  # it went on, it did not start over
    assert weights(again) == weights(whole) and curves(again) == curves(whole)


def test_the_dump_holds_what_the_teacher_says_in_half_precision(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    store = open_partition(bench.ingest, "train")
    network = read_network(made["teacher"])
    partition = Partition(store, network.view)
    out = network.predict(partition.batch(torch.arange(len(partition))))
    with h5py.File(made["dump"] / "targets.h5") as file:
        assert file["representation"].dtype == file["probabilities"].dtype == np.float16
        assert [id.decode() for id in file["ids"][:]] == store.ids
        assert np.allclose(file["probabilities"][:], out.probabilities.numpy(), atol=1e-3)
        assert np.allclose(file["representation"][:], out.representation.numpy(), atol=1e-2)


def test_the_dump_does_not_depend_on_k_and_its_bytes_repeat(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    again = bench.dump(made["teacher"], "again")
    assert (again / "targets.h5").read_bytes() == (made["dump"] / "targets.h5").read_bytes()


def test_cached_and_online_targets_agree(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    store = open_partition(bench.ingest, "train")
    cached, online = Dumped(made["dump"], store, "cpu"), Online(made["teacher"], store, "cpu", training=False)
    videos = torch.tensor([5, 0, 17])
    for a, b in zip(cached(videos), online(videos)):
        assert torch.allclose(a, b, atol=1e-2)
    live = bench.student("live", {"teacher": made["teacher"]}, targets="online", rep=True, pred=True)
    for a, b in zip(curves(made["student.both.k6"]), curves(live), strict=True):
        assert a["train_ce"] == pytest.approx(b["train_ce"], rel=2e-3) and a["train_rep"] == pytest.approx(b["train_rep"], rel=2e-3)


def test_an_online_teacher_in_training_mode_is_noisy_and_leaves_its_artifact_alone(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    before = weights(made["teacher"])
    store = open_partition(bench.ingest, "train")
    teacher = Online(made["teacher"], store, "cpu", training=True)
    videos = torch.tensor([5, 0, 17])
    alone, among = teacher(videos), teacher(torch.arange(40))
    assert not torch.allclose(alone.probabilities[1], among.probabilities[0], atol=1e-3)
    bench.student("noisy", {"teacher": made["teacher"]}, targets="online-train", rep=True)
    assert weights(made["teacher"]) == before


def test_distillation_changes_the_student_and_its_curves_name_the_terms(trained: tuple[Bench, dict[str, Path]]) -> None:
    _, made = trained
    found = {variant: curves(made[f"student.{variant}.k6"])[-1] for variant in ("alone", "rep", "pred", "both")}
    terms = {variant: {name for name in record if name in ("train_rep", "train_pred")} for variant, record in found.items()}
    assert terms == {"alone": set(), "rep": {"train_rep"}, "pred": {"train_pred"}, "both": {"train_rep", "train_pred"}}
    assert len({weights(made[f"student.{variant}.k6"]) for variant in found}) == 4


def test_a_strong_pull_brings_the_representation_closer_to_the_teachers(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    weak, strong = (bench.student(f"pull{w}", {"dump": made["dump"]}, rep=True, rep_weight=w, ce_weight=0.0, epochs=6) for w in (1e-6, 1.0))
    assert curves(strong)[-1]["train_rep"] < 0.8 * curves(weak)[-1]["train_rep"]


def test_a_term_of_weight_zero_is_training_alone(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    nothing = bench.student("zero", {"dump": made["dump"]}, rep=True, rep_weight=0.0)
    for a, b in zip(curves(nothing), curves(made["student.alone.k6"]), strict=True):
        assert a["train_ce"] == pytest.approx(b["train_ce"], rel=1e-5)


def test_the_last_epochs_can_be_without_the_teacher(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    found = curves(bench.student("tuned", {"dump": made["dump"]}, rep=True, finetune_epochs=1))
    assert ["train_rep" in record for record in found] == [True, True, False]


def test_in_the_parallel_regime_the_student_needs_no_teacher_and_follows_one_that_learns(bench: Bench) -> None:
    found = bench.student("parallel", rep=True, pred=True, regime="parallel", finetune_epochs=1, epochs=4)
    records = curves(found)
    assert records[2]["train_teacher_ce"] < records[0]["train_teacher_ce"]
    assert "train_rep" in records[2] and "train_teacher_ce" not in records[3]
    assert read_network(found).view.count == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "nextvlad-mix", "branches": 2},
        {"network": "netvlad", "classifier": "moe"},
        {"network": "hlstm", "cells": 5, "classifier": "moe"},
        {"network": "nextvlad", "classifier": "moe", "modalities": "rgb", "ce_form": "logits"},
        {"frames": "steps"},
        {"frames": "last", "grid": "padded", "normalisation": "none"},
        {"loss": "authors", "rep": True, "regime": "parallel", "network": "hlstm", "cells": 4, "teacher_blocks": 6},
    ],
)
def test_every_network_and_choice_of_frames_goes_through_the_stage(changes: dict[str, object], bench: Bench) -> None:
    found = bench.student("other", **changes)
    network = read_network(found)
    store = open_partition(bench.ingest, "validate")
    partition = Partition(store, network.view)
    out = network.predict(partition.batch(torch.arange(4)))
    assert out.probabilities.shape == (4, CLASSES) and torch.isfinite(out.probabilities).all()
    assert "train_ce" in curves(found)[-1] and ("train_self_kd" in curves(found)[-1]) == (changes.get("network") == "nextvlad-mix")


def test_a_teacher_can_draw_its_frames_with_replacement(bench: Bench) -> None:
    found = bench.teacher("drawn", network="netvlad", frames="drawn", epochs=1)
    view = read_network(found).view
    rows = view.rows("v001", 9)
    assert view.count == len(rows) == SIZES["max_frames"] and rows.min() >= 0 and rows.max() <= 8


def test_the_student_of_another_width_can_learn_predictions_but_not_representations(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    with pytest.raises(ConfigError, match="16 wide, the student's 8"):
        bench.student("narrow", {"dump": made["dump"]}, rep=True, hidden=8)
    assert "train_pred" in curves(bench.student("narrow2", {"dump": made["dump"]}, pred=True, hidden=8, epochs=1))[0]


def test_a_dump_of_other_videos_is_refused(trained: tuple[Bench, dict[str, Path]], tmp_path: Path) -> None:
    _, made = trained
    other = Bench(tmp_path, write_features(tmp_path / "ingest", {**COUNTS, "train": 150}))
    with pytest.raises(DataError, match="other videos"):
        other.student("kd", {"dump": made["dump"]}, rep=True)


def test_whitening_without_eigenvalues_is_refused_before_training(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="eigenvalues"):
        bench.teacher(normalisation="whitening")


def test_a_network_trained_with_whitening_keeps_its_eigenvalues(bench: Bench) -> None:
    np.save(bench.root / "eigenvals.npy", np.linspace(9, 0.5, 32, dtype=np.float32)[:, None])
    ctx = bench.context(
        TeacherParams(**{**SIZES, "normalisation": "whitening"}), "white", files={"eigenvalues": bench.root / "eigenvals.npy"}
    )
    teacher.run(ctx)
    (bench.root / "eigenvals.npy").unlink()
    kept = read_network(ctx.out).normalisation.eigenvalues
    assert kept is not None and kept.tolist() == np.linspace(9, 0.5, 32, dtype=np.float32)[:16].tolist()


def test_eigenvalues_that_came_with_the_features_are_used(bench: Bench) -> None:
    np.save(bench.ingest / "eigenvals.npy", np.linspace(4, 1, 16, dtype=np.float32)[:, None])
    kept = read_network(bench.teacher(normalisation="whitening", epochs=1)).normalisation.eigenvalues
    assert kept is not None and float(kept[0]) == 4.0


def test_a_share_that_holds_nothing_out_is_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="holdout"):
        bench.teacher(holdout=0.0)


def test_a_label_beyond_the_classes_is_refused_by_video(bench: Bench) -> None:
    facts = json.loads((bench.ingest / "frames.json").read_text())
    (bench.ingest / "frames.json").write_text(json.dumps({**facts, "num_classes": CLASSES - 1}))
    with pytest.raises(DataError, match=rf"video t\d+ of train.h5 has labels outside 0..{CLASSES - 2}"):
        bench.teacher()


def test_a_missing_partition_names_those_that_are_there(bench: Bench) -> None:
    with pytest.raises(DataError, match=r"no partition 'valid' \(there are: test, train, validate\)"):
        open_partition(bench.ingest, "valid")


def test_presets_and_overrides_make_the_objective() -> None:
    both = {"rep": True, "pred": True}
    assert {t.name: t.weight for t in objective_of(StudentParams(**both, loss="reimpl")).terms} == {"rep": 0.001, "pred": 0.01}
    changed = objective_of(StudentParams(**both, loss="authors", pred_weight=3.0, pred_distance="kl_bernoulli"))
    assert {(t.name, t.weight, t.distance) for t in changed.terms} == {("rep", 2.0, "sqerr"), ("pred", 3.0, "kl_bernoulli")}
    assert [t.name for t in objective_of(StudentParams(pred=True)).terms] == ["pred"]
    assert objective_of(StudentParams()).terms == ()


def test_the_evaluation_measures_every_network_and_writes_a_submission_for_each(trained: tuple[Bench, dict[str, Path]]) -> None:
    _, made = trained
    scores = rows(made["evaluate"])
    assert set(scores) == {"teacher", "frequency", *(f"student.{v}.k6" for v in ("alone", "rep", "pred", "both"))}
    for model in scores.values():
        assert 0 < model.scores["GAP@20"].value <= 1
        assert set(model.scores) == {"GAP@20", "mAP", "mAP of seen classes", "Hit@1", "PERR"}
        low, high = model.about["tie_bounds"]["GAP@20"]
        assert low <= model.scores["GAP@20"].value <= high
    for partition in ("validate", "test"):
        for name in set(scores) - {"frequency"}:
            lines = (made["evaluate"] / "submission" / f"{partition}.{name}.csv").read_text().splitlines()
            assert lines[0] == "VideoId,LabelConfidencePairs" and len(lines) == 1 + COUNTS[partition]
            assert len(lines[1].split(",")[1].split()) == 2 * CLASSES


def test_every_network_says_its_best_classes_of_every_video(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    store = open_partition(bench.ingest, "validate")
    said = [one for one in read_predictions(made["evaluate"]) if one.model == "student.both.k6"]
    lines = (made["evaluate"] / "submission" / "validate.student.both.k6.csv").read_text().splitlines()[1:]
    best = {id: pairs.split()[::2][:5] for id, pairs in (line.split(",") for line in lines)}
    assert [one.item for one in said] == store.ids
    for video, one in enumerate(said):
        assert one.answer == [str(label) for label in store.labels(video)]
        assert [name for name, _ in one.top] == best[one.item] and one.prediction == best[one.item][0]
        assert one.is_right == (one.prediction in one.answer) and one.top[0][1] >= one.top[1][1] > 0
    found = {row.name: row.scores["Hit@1"].value for row in read_evaluation(made["evaluate"]).networks}
    assert sum(one.is_right for one in said) / len(said) == pytest.approx(found["student.both.k6"])


@pytest.mark.parametrize("size", [7, 16, 60])
def test_of_very_many_videos_evenly_chosen_ones_are_kept_whatever_the_batch(
    size: int, trained: tuple[Bench, dict[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, made = trained
    monkeypatch.setattr(evaluate, "kept", lambda items: range(0, items, 8))
    ctx = bench.context(EvaluateParams(ks=(6,), batch_size=size), f"thin{size}")
    (ctx.out / "submission").mkdir()
    store, network = open_partition(bench.ingest, "validate"), read_network(made["student.both.k6"])
    _, best = evaluate.measure(network, store, ctx, "student.both.k6")
    found = list(evaluate.predictions({"student.both.k6": best}, store, [str(number) for number in range(store.classes)]))
    whole = [one for one in read_predictions(made["evaluate"]) if one.model == "student.both.k6"][::8]
    assert [(one.item, one.answer, one.prediction) for one in found] == [(one.item, one.answer, one.prediction) for one in whole]


def test_a_student_costs_less_than_its_teacher_by_its_frames(trained: tuple[Bench, dict[str, Path]]) -> None:
    _, made = trained
    costs = {name: row.costs for name, row in rows(made["evaluate"]).items()}
    assert costs["teacher"]["parameters"] == costs["student.alone.k6"]["parameters"]
    per_frame = (costs["teacher"]["flops"] - costs["student.alone.k6"]["flops"]) / (SIZES["max_frames"] - 6)
    assert per_frame > 0 and costs["student.alone.k6"]["flops"] > 6 * per_frame  # the head comes on top


def test_tied_orders_of_the_original_can_be_asked_for(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    again = gaps(bench.evaluation({"teacher": made["teacher"]}, "reference", tie_break="reference"))
    assert again["teacher"] == pytest.approx(gaps(made["evaluate"])["teacher"], abs=1e-9)


def test_the_timing_covers_every_network(trained: tuple[Bench, dict[str, Path]]) -> None:
    from systems.fewerframes import timing

    bench, made = trained
    networks = {name: made[name] for name in ("teacher", "student.both.k6")}
    found = json.loads((bench.run(timing.run, TimingParams(repeats=3), "timing", networks) / "timing.json").read_text())
    assert set(found["models"]) == set(networks)
    assert all(value > 0 for times in found["models"].values() for value in times.values())


def test_video_level_means_are_read_as_one_frame(bench: Bench) -> None:
    from cache.ragged import RaggedWriter

    for name in ("train", "validate"):
        with RaggedWriter(bench.ingest / f"{name}.h5", 24, rows=40, dtype="float32", about={}) as file:
            for video in range(40):
                generator = np.random.default_rng(video)
                file.append(f"v{video}", [video % CLASSES], generator.standard_normal((1, 24)).astype(np.float32))
    found = bench.teacher(max_frames=1, epochs=1)
    assert read_network(found).view.count == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(bench: Bench) -> None:
    one, same, other = (bench.student(name, seed=seed, epochs=1) for name, seed in (("one", 1), ("same", 1), ("other", 2)))
    assert weights(one) == weights(same) != weights(other)


def test_a_student_alone_and_a_distilled_one_start_from_the_same_weights(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from systems.fewerframes import train

    made = bench.teacher(epochs=1)
    dump = bench.dump(made)
    started = []
    original = train.fit
    monkeypatch.setattr(
        "systems.fewerframes.train.fit",
        lambda task, *a, **k: (started.append({n: v.clone() for n, v in task.model.state_dict().items()}), original(task, *a, **k))[1],
    )
    student.run(bench.context(StudentParams(**SIZES), "a"))
    student.run(bench.context(StudentParams(**SIZES, rep=True), "b", {"dump": dump}))
    assert all(torch.equal(started[0][name], started[1][name]) for name in started[0])
