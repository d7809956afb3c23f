"""Teachers and students of recognition on a few clips: what they write, and that a killed training ends in the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cache.errors import ConfigError, DataError
from cache.stage import Context
from systems.gkd.recognition import trained
from tests.gkd.recognition_bench import CLASSES, Bench, about, curves, files, make_bench, rows, write_index, write_rows


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Clips that are only read."""
    return make_bench(tmp_path_factory.mktemp("recognition"))


@pytest.fixture(scope="module")
def teacher(bench: Bench) -> Context:
    """A trained teacher."""
    return bench.teacher()


@pytest.fixture
def own(tmp_path: Path) -> Bench:
    """Clips to be changed."""
    return make_bench(tmp_path, modalities=("rgb",))


def test_a_teacher_writes_its_network_and_its_cvae(bench: Bench, teacher: Context) -> None:
    network = trained.read(teacher.out)
    assert network.model.kind == "teacher" and not network.model.training and network.weighted
    assert network.about["classes"] == list(CLASSES) and network.about["videos"] == {"listed": 6, "trained_on": 6}
    cvae = trained.read_cvae(teacher.out, network.model)
    assert cvae is not None and set(cvae.endings) == {network.model.channels}
    assert [entry.state for entry in teacher.ledger.entries.values()] == ["ok"] * 6


@pytest.mark.parametrize(
    ("variant", "first", "second"),
    [
        ("alone", None, {"task", "accuracy"}),
        ("kd", {"cvae", "generative"}, {"task", "accuracy", "reconstruction", "attention"}),
        ("generative", {"cvae", "generative"}, {"task", "accuracy", "reconstruction"}),
        ("attention", {"cvae"}, {"task", "accuracy", "reconstruction", "attention"}),
    ],
)
def test_each_student_learns_from_what_it_is_called_after(
    variant: str, first: Any, second: set[str], bench: Bench, teacher: Context
) -> None:
    made = bench.student(variant, None if variant == "alone" else teacher)
    passes = {} if first is None else {"cvae_": first}
    passes["network_" if passes else ""] = second
    expected = {f"train_{name}{term}" for name, terms in passes.items() for term in (*terms, "loss")}
    assert {key for key in curves(made)[-1] if key.startswith("train_")} == expected
    assert set(files(made)) == {"model.safetensors", "model.json", "curves.jsonl"}
    assert trained.read(made.out).model.kind == "student"


def test_the_feature_representation_alone_has_a_cvae_and_no_teacher(bench: Bench) -> None:
    made = bench.student(name="student.representation", representation=True)
    assert {"train_cvae_cvae", "train_network_reconstruction"} <= curves(made)[-1].keys()
    assert about(made)["representation"] and not about(made)["generative"]


def test_attention_distillation_brings_the_attentions_together(bench: Bench, teacher: Context) -> None:
    def apart(beta: float) -> float:
        made = bench.student("attention", teacher, name=f"student.drawn{beta:g}", epochs=6, lr=0.01, beta=beta)
        return float(curves(made)[-1]["train_network_attention"])

    assert apart(100.0) < 0.5 * apart(0.0)


def test_the_running_statistics_follow_the_batches_as_fast_as_is_said(bench: Bench) -> None:
    from safetensors.torch import load_file

    def moved(share: float) -> float:
        made = bench.student(name=f"student.bn{share:g}", epochs=1, lr=1e-12, bn_momentum=share)
        variance = load_file(made.out / "model.safetensors")["backbone._model.Conv3d_1a_7x7.bn.running_var"]
        return float((variance - 1).abs().mean())

    assert moved(0.3) > 5 * moved(0.01) > 0


def test_flow_alone_is_not_weighted_and_learns_as_published(bench: Bench) -> None:
    made = bench.student(modality="flow", name="student.alone.flow", epochs=1)
    assert not about(made)["weighted"] and about(made)["arguments"]["n_input_channels"] == 2
    assert curves(made)[0]["rate"] == 0.01
    assert about(bench.student(name="student.rgb", epochs=1))["weighted"]


@pytest.fixture(scope="module", params=["teacher", "kd"])
def whole(request: pytest.FixtureRequest, bench: Bench, teacher: Context) -> tuple[Callable[[str], Context], Context]:
    """How a network is trained under a name, and one that was not stopped."""

    def make(name: str) -> Context:
        more = {"dropout": 0.5, "lr": 0.05, "cvae_lr": 1e-3}
        return bench.teacher(name, **more) if request.param == "teacher" else bench.student("kd", teacher, name=name, **more)

    return make, make(f"{request.param}.whole")


@pytest.mark.parametrize("stop", [5, 8, 11])
def test_a_training_that_is_stopped_and_run_again_ends_in_the_same_bits(
    stop: int, whole: tuple[Callable[[str], Context], Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six clips in batches of two: batches 1-3 and 7-9 are of the CVAE, 4-6 and 10-12 of the network."""
    from models.training import loop
    from models.training.pace import Pace
    from systems.gkd.recognition.two_steps import TwoSteps

    make, unstopped = whole
    fit, seen = loop.fit, []
    monkeypatch.setattr("systems.gkd.recognition.training.fit", lambda *a, **k: fit(*a, **k, pace=Pace(seconds=0.0, share=1e9)))
    for name in ("make", "recognise"):
        original = getattr(TwoSteps, name)

        def counted(self: TwoSteps, *arguments: Any, original: Any = original, **more: Any) -> Any:
            seen.append(1)
            if len(seen) == stop:
                raise KeyboardInterrupt
            return original(self, *arguments, **more)

        monkeypatch.setattr(TwoSteps, name, counted)
    with pytest.raises(KeyboardInterrupt):
        make(f"{unstopped.out.name}.stopped{stop}")
    again = make(f"{unstopped.out.name}.stopped{stop}")
    assert len(seen) == 13  # every batch once, and the one at which it was stopped again
    assert files(again) == files(unstopped)


def test_the_seed_decides_the_weights_and_the_number_of_threads_that_load_does_not(bench: Bench) -> None:
    one, same, other = (
        files(bench.student(name=f"student.{name}", epochs=1, seed=seed, workers=workers, cache_mb=room))["model.safetensors"]
        for name, seed, workers, room in (("a", 1, 1, 0.0), ("b", 1, 3, 64.0), ("c", 2, 1, 0.0))
    )
    assert one == same != other


def test_videos_that_an_earlier_stage_lost_are_named_and_not_trained_on(own: Bench) -> None:
    write_rows(own, "rgb", [line for line in rows(own) if line["id"] != "bee0"])
    made = own.student(epochs=1)
    assert about(made)["videos"] == {"listed": 6, "trained_on": 5}
    assert {entry.id: entry.state for entry in made.ledger.entries.values()}["bee0"] == "lost_before"


def test_a_fold_that_is_not_there_is_refused_with_those_that_are(own: Bench) -> None:
    with pytest.raises(ConfigError, match="no clips of the split 2/train") as refused:
        own.student(fold=2)
    assert "1/test, 1/train" in str(refused.value.hint)


def test_frames_smaller_than_the_crop_are_refused(own: Bench) -> None:
    with pytest.raises(DataError, match="44 x 36 pixels, smaller than the network's 64"):
        own.student(size=64)
    assert about(own.student(size=64, short=64, epochs=1))["look"]["short"] == 64


def test_a_teacher_of_other_maps_or_classes_is_refused(own: Bench) -> None:
    teacher = own.teacher(epochs=1)
    with pytest.raises(DataError, match="the teacher has frames = 9, the student 17"):
        own.student("kd", teacher, frames=17)
    write_index(own, ("ant", "bee", "cat", "dog"))
    with pytest.raises(DataError, match="the teacher tells 3 classes apart, and they are not the 4 of 1/train"):
        own.student("kd", teacher)


def test_a_training_that_diverges_says_so(own: Bench) -> None:
    with pytest.raises(DataError, match="training diverged"):
        own.student(lr=10.0, momentum=0.99, epochs=40, classification="single", dropout=0.0, weight_decay=1.0)


def test_weights_that_are_not_here_are_named(own: Bench) -> None:
    with pytest.raises(ConfigError, match="i3d") as refused:
        own.teacher(weights="kinetics400")
    assert "rgb_imagenet.pt" in str(refused.value.hint)


def test_both_passes_see_the_same_views_and_every_epoch_others(bench: Bench) -> None:
    from systems.gkd.recognition.network import Recogniser
    from systems.gkd.recognition.params import StudentParams
    from systems.gkd.recognition.training import ClipTask, Pair, material
    from tests.gkd.recognition_bench import SIZES

    params = StudentParams(**SIZES)
    seen = material(bench.context(params, "views", {"frames": bench.root / "rgb"}))
    net = Recogniser("student", 3, frames=9, size=32, width=0.0625)
    task = ClipTask(Pair(net, None, keep=False), seen.videos, seen.clips, params, "cpu")
    first, second = task.batches(0), task.batches(1)
    assert sorted(place for step in first for place in step.places) == list(range(6)) and first != second
    clips, labels = task.fetch(0, first[1])
    assert torch.equal(task.fetch(0, first[1])[0], clips) and not torch.equal(task.fetch(1, first[1])[0], clips)
    assert labels.tolist() == [seen.videos[place].label for place in first[1].places]
    assert clips.shape == (2, 3, 9, 32, 32)
