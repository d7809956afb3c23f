"""The scores of detection networks, one stream and two; what is not scored; time and cost; published files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cache.errors import ConfigError, DataError
from cache.stage import Context
from models.evaluation.files import read_evaluation, read_predictions
from models.evaluation.times import Timing
from systems.gkd.detection import trained
from systems.gkd.detection.average_precision import AFSD, RELEASED, mean_average_precision
from systems.gkd.detection.by_video import LEAST, matched, predictions
from systems.gkd.detection.decode import Decoding, fused, segments
from systems.gkd.detection.inference import outputs
from systems.gkd.detection.instances import instances
from systems.gkd.detection.results import Detection, read_results
from tests.gkd.detection_bench import CLASSES, SIZES, Bench, drawn, make_bench, write_arrays, write_index

NETWORKS = ("teacher", "student.alone", "student.kd", "student.alone.flow")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Videos that are only read."""
    return make_bench(tmp_path_factory.mktemp("evaluate"))


@pytest.fixture(scope="module")
def networks(bench: Bench) -> dict[str, Context]:
    """Networks that were trained for a moment; the one alone long enough to find something."""
    teacher = bench.teacher(epochs=1)
    made = [teacher, bench.student(epochs=30, lr=2e-3), bench.student("kd", teacher, epochs=1)]
    return dict(zip(NETWORKS, [*made, bench.student(modality="flow", name="student.alone.flow", epochs=1)], strict=True))


@pytest.fixture(scope="module")
def evaluated(bench: Bench, networks: dict[str, Context]) -> Context:
    """All of them, scored."""
    return bench.evaluate(networks)


def test_scores_are_those_of_the_results_that_are_written(bench: Bench, evaluated: Context) -> None:
    found = read_evaluation(evaluated.out)
    assert (found.split, found.items.total, found.items.scored, found.items.needs) == ("test", 2, 2, "array")
    truth = instances([(id, *row) for id in ("t1", "t2") for row in bench.parts[id][1]])
    for row in found.networks:
        results = read_results(evaluated.out / "results" / f"{row.name.replace(' ', '')}.json")
        assert set(results.videos) <= {"t1", "t2", "t3"}
        scores = mean_average_precision(truth, results, AFSD)
        assert row.scores["mAP 0.3 to 0.7"].value == pytest.approx(scores.average)
        assert row.scores["@0.5"].value == pytest.approx(scores.mean[2])
        assert row.scores["0.1 to 0.5"].value == pytest.approx(mean_average_precision(truth, results, RELEASED).average)
        assert row.strict == pytest.approx(scores.average)
        assert row.about["in_videos_without_truth"] == sum(video == "t3" for video in results.videos)


def test_results_are_the_networks_segments_rgb_by_itself_and_with_flow(
    bench: Bench, networks: dict[str, Context], evaluated: Context
) -> None:
    said = {}
    for name in ("student.kd", "student.alone.flow"):
        network = trained.read(networks[name].out)
        said[name], begins = outputs(network, drawn(bench, "t1", network.modality), length=32, stride=16, side=16)
    streams = {"student.kd": said["student.kd"], "student.kd+flow": fused(said["student.kd"], said["student.alone.flow"])}
    for name, own in streams.items():
        wanted = segments(own, begins, 10.0, CLASSES, Decoding(0.1, length=32)).detections
        written = json.loads((evaluated.out / "results" / f"{name}.json").read_text())
        assert written["version"] == "acts"
        assert [(one["label"], one["score"], *one["segment"]) for one in written["results"]["t1"]] == [tuple(one) for one in wanted]


def test_a_student_that_learns_finds_more_than_one_that_does_not(bench: Bench, evaluated: Context) -> None:
    scores = {row.name: row.scores["0.1 to 0.5"].value for row in read_evaluation(evaluated.out).networks}
    assert scores["student.alone"] > 0.2 > scores["student.kd"]


def test_of_every_scored_video_there_is_what_is_true_and_the_best_of_what_was_found(bench: Bench, evaluated: Context) -> None:
    said = list(read_predictions(evaluated.out))
    assert {one.item for one in said} == {"t1", "t2"}
    assert {one.model for one in said} == {row.name for row in read_evaluation(evaluated.out).networks}
    results = json.loads((evaluated.out / "results" / "student.alone.json").read_text())["results"]
    (one,) = [one for one in said if (one.model, one.item) == ("student.alone", "t1")]
    assert list(one.parts) == sorted(bench.parts["t1"][1], key=lambda part: part[1:]) and one.about["seconds"] > max(
        p[2] for p in one.parts
    )
    best = sorted(results["t1"], key=lambda segment: -segment["score"])[: max(LEAST, 2 * len(one.parts))]
    assert [found[:4] for found in one.found] == [
        (own["label"], round(own["segment"][0], 2), round(own["segment"][1], 2), round(own["score"], 4)) for own in best
    ]
    assert one.prediction == f"{sum(found[4] for found in one.found)} of {len(one.parts)}"


def test_a_true_segment_is_found_once_by_the_best_one_of_its_class_that_overlaps_by_half() -> None:
    parts = [("Bow", 0.0, 4.0), ("Jump", 6.0, 8.0)]
    found = [
        Detection("Bow", 0.5, 0.0, 4.0),  # the same again
        Detection("Bow", 0.9, 0.0, 2.0),  # half of it
        Detection("Jump", 0.8, 5.9, 8.0),
        Detection("Bow", 0.7, 6.0, 8.0),  # of another class
    ]
    made = matched(parts, found)
    assert [(label, score, right) for label, _, _, score, right in made] == [
        ("Bow", 0.9, True),
        ("Jump", 0.8, True),
        ("Bow", 0.7, False),
        ("Bow", 0.5, False),
    ]
    assert len(matched(parts, found * 10)) == LEAST and matched(parts, []) == []
    truth = instances([("v", *part) for part in parts])
    (all_of,) = predictions({"net": {"v": found[1:]}}, truth, {"v": 9.0})
    (half,) = predictions({"net": {"v": found[2:]}}, truth, {"v": 9.0})
    (none,) = predictions({"net": {"v": []}}, truth, {"v": 9.0})
    assert [(one.prediction, one.is_right) for one in (all_of, half, none)] == [("2 of 2", True), ("1 of 2", True), ("0 of 2", False)]


def test_what_is_left_out_is_said(evaluated: Context) -> None:
    found = read_evaluation(evaluated.out)
    assert any("1 ambiguous parts" in note for note in found.notes)
    assert any("1 videos that the ground truth lacks" in note and "t3" in note for note in found.notes)
    assert evaluated.ledger.entries["t3"].state == "noted" and "lacks it" in evaluated.ledger.entries["t3"].reason


def test_what_is_compared_and_what_both_streams_cost(evaluated: Context) -> None:
    found = read_evaluation(evaluated.out)
    assert [row.name for row in found.networks] == [*NETWORKS, "student.alone + flow", "student.kd + flow"]
    assert found.pairs == (
        ("student.kd", "student.alone"),
        ("teacher", "student.alone"),
        ("student.kd + flow", "student.alone + flow"),
    )
    cost = {row.name: row.costs for row in found.networks}
    for key in ("parameters", "flops"):
        assert cost["student.kd + flow"][key] == cost["student.kd"][key] + cost["student.alone.flow"][key]
        assert cost["student.alone"][key] < cost["student.kd"][key] < cost["teacher"][key]


def test_a_video_that_was_lost_lowers_the_strict_score(tmp_path: Path, networks: dict[str, Context]) -> None:
    own = make_bench(tmp_path, modalities=("rgb",))
    write_arrays(own, "rgb", lack=("t2",))
    made = own.evaluate({"student.alone": networks["student.alone"]})
    found = read_evaluation(made.out)
    (row,) = found.networks
    assert (found.items.scored, found.items.total) == (1, 2)
    assert row.strict is not None and 0 < row.strict < row.scores["mAP 0.3 to 0.7"].value
    assert made.ledger.entries["t2"].state == "lost_before"


def test_the_released_thresholds_can_be_the_main_ones(bench: Bench, networks: dict[str, Context]) -> None:
    made = bench.evaluate({"student.alone": networks["student.alone"]}, name="released", thresholds="released")
    found = read_evaluation(made.out)
    assert found.columns[0].name == "mAP 0.1 to 0.5" and found.columns[-1].name == "0.3 to 0.7"


def test_networks_that_do_not_fit_the_data_are_refused(tmp_path: Path, networks: dict[str, Context]) -> None:
    own = make_bench(tmp_path, modalities=("rgb",))
    with pytest.raises(ConfigError, match=r"student\.alone\.flow sees flow, and there are no arrays of it"):
        own.evaluate({"student.alone.flow": networks["student.alone.flow"]})
    write_index(own, ("Bow", "Jump", "Clap"))
    with pytest.raises(DataError, match=r"student\.alone tells 3 classes apart, and they are not the 3 of the dataset"):
        own.evaluate({"student.alone": networks["student.alone"]})


def test_every_network_is_timed(bench: Bench, networks: dict[str, Context]) -> None:
    found = Timing.read(bench.time(networks).out)
    assert set(found.models) == set(NETWORKS)
    assert all(np.isfinite(times.ms_alone) and times.ms_alone > 0 for times in found.models.values())


def published(made: Context, path: Path) -> Path:
    """The weights of a network as a published file, with DataParallel's names."""
    torch.save({f"module.{name}": value for name, value in load_file(made.out / path.with_suffix(".safetensors").name).items()}, path)
    return path


def test_published_files_are_taken_as_they_are(bench: Bench, networks: dict[str, Context], tmp_path: Path) -> None:
    model, cvae = (published(networks["teacher"], tmp_path / f"{name}.ckpt") for name in ("model", "cvae"))
    taken = bench.teacher("teacher.taken", files={"checkpoint": model, "cvae_checkpoint": cvae})
    for file in ("model.safetensors", "cvae.safetensors"):
        mine, theirs = (load_file(made.out / file) for made in (taken, networks["teacher"]))
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    scored = bench.evaluate({"teacher": taken}, name="taken")
    (row,) = read_evaluation(scored.out).networks
    assert row.scores == read_evaluation(bench.evaluate({"teacher": networks["teacher"]}, name="own").out).networks[0].scores
    assert "taken from model.ckpt" in read_evaluation(scored.out).flags[0]
    taught = bench.student("kd", taken, name="student.taught", epochs=1)
    assert "generative" in json.loads((taught.out / "model.json").read_text())


def test_files_of_another_network_are_refused(bench: Bench, networks: dict[str, Context], tmp_path: Path) -> None:
    model = published(networks["teacher"], tmp_path / "model.ckpt")
    with pytest.raises(ConfigError, match=r"with kind = teacher, and student\.odd has student"):
        bench.student(name="student.odd", files={"checkpoint": model})
    with pytest.raises(ConfigError, match=r"with width = 0\.0625, and teacher\.odd has 0\.125") as refused:
        bench.teacher("teacher.odd", files={"checkpoint": model}, width=0.125)
    assert refused.value.hint == "--set teacher.odd.width=0.0625"
    plain = published(networks["student.alone"], tmp_path / "model.ckpt")
    with pytest.raises(DataError, match="no attention"):
        bench.student(name="student.odd", files={"checkpoint": plain}, weighted=True)
    taught = bench.teacher("teacher.alone", files={"checkpoint": model_of(networks, tmp_path)})
    with pytest.raises(DataError, match="without its CVAE"):
        bench.student("generative", taught, name="student.without")


def model_of(networks: dict[str, Context], tmp_path: Path) -> Path:
    """The teacher's file again."""
    return published(networks["teacher"], tmp_path / "model.ckpt")


def test_a_teacher_begins_with_the_weights_that_are_named(bench: Bench, networks: dict[str, Context], tmp_path: Path) -> None:
    from systems.gkd.detection.first import network_of, with_first_weights
    from systems.gkd.detection.params import TeacherParams

    state = load_file(networks["teacher"].out / "model.safetensors")
    trunk = {name.removeprefix("backbone._model."): value for name, value in state.items() if name.startswith("backbone.")}
    whole, alone = tmp_path / "afsd.ckpt", tmp_path / "i3d.pt"
    torch.save({name: value for name, value in state.items() if not name.startswith(("deconv", "Att_"))}, whole)
    torch.save(trunk, alone)
    params = TeacherParams(**{**SIZES, "weights": "file"})
    for path, beginning in ((whole, ("backbone.", "coarse_")), (alone, ("backbone.",))):
        ctx = bench.context(params, "teacher.begun", {}, {"weights_file": path})
        net = with_first_weights(ctx, network_of(params, "teacher", 3, attention=True))
        assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items() if name.startswith(beginning))
    with pytest.raises(ConfigError, match="i3d"):
        bench.teacher("teacher.none", weights="kinetics400")
