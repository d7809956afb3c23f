"""Teachers and students of detection on a few videos: what they write, and that a killed training ends in the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cache.errors import ConfigError, DataError
from cache.stage import Context
from systems.gkd.detection import trained
from tests.gkd.detection_bench import CLASSES, Bench, about, curves, files, make_bench, write_arrays, write_index

FOUND = {"loc", "conf", "prop_loc", "prop_conf", "center", "start", "end", "triplet", "loss"}
GENERATOR = {"cvae_4f", "cvae_5c", "loss"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Videos that are only read."""
    return make_bench(tmp_path_factory.mktemp("detection"))


@pytest.fixture(scope="module")
def teacher(bench: Bench) -> Context:
    """A trained teacher."""
    return bench.teacher()


@pytest.fixture
def own(tmp_path: Path) -> Bench:
    """Videos to be changed."""
    return make_bench(tmp_path, modalities=("rgb",))


def test_a_teacher_writes_its_network_and_its_cvae(teacher: Context) -> None:
    network = trained.read(teacher.out)
    assert network.model.kind == "teacher" and not network.model.training and network.weighted
    assert network.about["classes"] == list(CLASSES) and network.about["videos"] == {"listed": 3, "trained_on": 2}
    assert network.about["ambiguous_rows_left_out"] == 1
    assert trained.read_cvae(teacher.out, network.model.shape) is not None
    found = network(torch.zeros(1, 3, 32, 16, 16))
    assert found.conf.shape == (1, 14, 4) and found.loc.isfinite().all()
    states = {entry.id: (entry.state, entry.reason) for entry in teacher.ledger.entries.values()}
    assert states["v1"] == ("noted", "1 ambiguous parts of it are left out") and states["v2"] == ("ok", "")
    assert states["v3"] == ("noted", "it has no instance, so it is not trained on")


@pytest.mark.parametrize(
    ("variant", "first", "second"),
    [
        ("alone", None, set()),
        ("kd", {"generative_4f", "generative_5c"}, {"background", "reconstruction_", "attention_", "contrastive_attention_"}),
        ("generative", {"generative_4f", "generative_5c"}, {"background", "reconstruction_"}),
        ("attention", set(), {"background", "reconstruction_", "attention_", "contrastive_attention_"}),
    ],
)
def test_each_student_learns_from_what_it_is_called_after(
    variant: str, first: Any, second: set[str], bench: Bench, teacher: Context
) -> None:
    made = bench.student(variant, None if variant == "alone" else teacher)
    passes = {} if first is None else {"cvae_": GENERATOR | first}
    terms = FOUND | {f"{term}{level}" for term in second for level in (("4f", "5c") if term.endswith("_") else ("",))}
    passes["network_" if passes else ""] = terms
    expected = {f"train_{name}{term}" for name, own in passes.items() for term in own}
    assert {key for key in curves(made)[-1] if key.startswith("train_")} == expected
    assert set(files(made)) == {"model.safetensors", "model.json", "curves.jsonl"}
    network = trained.read(made.out)
    assert network.model.kind == "student" and network.weighted == network.model.has_attention == (variant != "alone")


def test_attention_distillation_brings_the_attentions_together(bench: Bench, teacher: Context) -> None:
    def apart(beta: float) -> float:
        made = bench.student("attention", teacher, name=f"student.drawn{beta:g}", epochs=8, beta=beta)
        return float(curves(made)[-1]["train_network_attention_5c"])

    assert apart(1e5) < 0.5 * apart(0.0)


def test_a_teacher_can_start_from_the_shipped_weights(bench: Bench) -> None:
    from safetensors.torch import load_file

    from systems.gkd.detection.params import TeacherParams

    made = bench.teacher("teacher.shipped", weights="world", width=0.125, epochs=1, lr=1e-12, weight_decay=0.0)
    (path,) = TeacherParams(weights="world", width=0.125).data
    first = "Mixed_4b.b1b.conv3d.weight"
    torch.testing.assert_close(load_file(made.out / "model.safetensors")[f"backbone._model.{first}"], load_file(path)[first].float())
    assert about(made)["weights"] == "world" and TeacherParams(weights="random").data == ()


def test_the_running_statistics_follow_the_batches_as_fast_as_is_said(bench: Bench) -> None:
    from safetensors.torch import load_file

    def moved(momentum: float) -> float:
        made = bench.student("alone", name=f"student.bn{momentum:g}", epochs=1, lr=1e-12, bn_momentum=momentum)
        variance = load_file(made.out / "model.safetensors")["backbone._model.Conv3d_1a_7x7.bn.running_var"]
        return float((variance - 1).abs().mean())

    assert moved(0.3) > 5 * moved(0.01) > 0


def test_a_student_can_start_from_the_shipped_weights_summed_over_time(bench: Bench) -> None:
    from safetensors.torch import load_file

    from systems.gkd.detection.params import StudentParams

    made = bench.student("alone", name="student.shipped", weights="world", width=0.125, epochs=1, lr=1e-12, weight_decay=0.0)
    (path,) = StudentParams(weights="world", width=0.125).data
    own, theirs = load_file(made.out / "model.safetensors"), load_file(path)
    flat, whole = "Mixed_4b.b1b.conv3d.weight", "Mixed_4d.b1b.conv3d.weight"
    torch.testing.assert_close(own[f"backbone._model.{flat}"], theirs[flat].sum(2, keepdim=True).float())
    torch.testing.assert_close(own[f"backbone._model.{whole}"], theirs[whole].float())
    assert about(made)["weights"] == "world" and StudentParams().data == ()


def test_the_rate_rises_and_falls_to_nothing_or_is_constant_as_published() -> None:
    from models.training.schedules import Moment
    from systems.gkd.detection.updates import Settings

    def rates(settings: Settings) -> list[float]:
        return [settings.rate(Moment(0, step, step)) for step in (0, 2, 7, 12)]

    assert rates(Settings(lr=0.1)) == [0.1] * 4
    assert rates(Settings(lr=0.1, steps=12, warmup=3)) == pytest.approx([0.0, 0.1, 0.1 * 0.5870, 0.0], abs=1e-4)


def test_a_training_whose_rate_falls_counts_all_of_its_steps(bench: Bench) -> None:
    made = bench.student("alone", name="student.falling", schedule="cosine", epochs=3, lr=1e-3)
    used = [row["rate"] for row in curves(made)]
    assert used == sorted(used, reverse=True) and used[-1] < 0.3 * used[0]


def test_arrays_at_another_rate_than_the_tables_have_their_own_counts() -> None:
    from systems.gkd.detection.tables import VideoInfo
    from systems.gkd.detection.videos import Split

    split = Split("val", ["v"], ("Bow",), [], {"video_info": {"v": (12.0, 10.0, 1200.0, 1000)}})
    assert split.infos({"v": 1001}, 10.0) == {"v": VideoInfo(12.0, 10.0, 1200.0, 1000)}
    assert split.infos({"v": 599}, 6.0) == {"v": VideoInfo(12.0, 6.0, 1200.0, 600)}
    with pytest.raises(DataError, match="says 600"):
        split.infos({"v": 1000}, 6.0)


def test_rates_and_epochs_are_the_published_ones() -> None:
    from systems.gkd.detection.networks import Detector
    from systems.gkd.detection.shape import Shape
    from systems.gkd.detection.training import epochs_of, rate_of

    shape = Shape(n_classes=4, frames=32, crop=16, levels=3, width=1 / 16)
    student, plain, teacher = Detector("student", shape), Detector("student", shape, attention=False), Detector("teacher", shape)
    assert [(rate_of(net, "rgb"), epochs_of(net, "rgb")) for net in (student, plain, teacher)] == [(1e-6, 50), (1e-5, 16), (1e-5, 20)]
    assert (rate_of(plain, "flow"), epochs_of(plain, "flow")) == (1e-5, 20)


@pytest.fixture(scope="module", params=["teacher", "kd"])
def whole(request: pytest.FixtureRequest, bench: Bench, teacher: Context) -> tuple[Callable[[str], Context], Context]:
    """How a network is trained under a name, and one that was not stopped."""

    def make(name: str) -> Context:
        return bench.teacher(name) if request.param == "teacher" else bench.student("kd", teacher, name=name)

    return make, make(f"{request.param}.whole")


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7])
def test_a_training_that_is_stopped_and_run_again_ends_in_the_same_bits(
    share: float, whole: tuple[Callable[[str], Context], Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a fifth of its batches a training is in the CVAE's pass, at two fifths in the network's, at seven tenths in the next epoch."""
    from models.training import loop
    from models.training.pace import Pace
    from systems.gkd.detection.updates import Learning

    make, unstopped = whole
    batches = 2 * 2 * about(unstopped)["windows"]
    stop = round(share * batches)
    fit, seen = loop.fit, []
    monkeypatch.setattr("systems.gkd.detection.training.fit", lambda *a, **k: fit(*a, **k, pace=Pace(seconds=0.0, share=1e9)))
    for name in ("make", "detect"):
        original = getattr(Learning, name)

        def counted(self: Learning, *arguments: Any, original: Any = original, **more: Any) -> Any:
            seen.append(1)
            if len(seen) == stop:
                raise KeyboardInterrupt
            return original(self, *arguments, **more)

        monkeypatch.setattr(Learning, name, counted)
    with pytest.raises(KeyboardInterrupt):
        make(f"{unstopped.out.name}.stopped{share}")
    again = make(f"{unstopped.out.name}.stopped{share}")
    assert len(seen) == batches + 1  # every batch once, and the one at which it was stopped again
    assert files(again) == files(unstopped)


def test_the_seed_decides_the_weights_and_the_number_of_threads_that_load_does_not(bench: Bench) -> None:
    one, same, other = (
        files(bench.student(name=f"student.{name}", epochs=1, seed=seed, workers=workers))["model.safetensors"]
        for name, seed, workers in (("a", 1, 1), ("b", 1, 3), ("c", 2, 1))
    )
    assert one == same != other


def test_videos_that_an_earlier_stage_lost_are_named_and_not_trained_on(own: Bench) -> None:
    write_arrays(own, "rgb", lack=("v2",))
    made = own.student(epochs=1)
    assert about(made)["videos"] == {"listed": 3, "trained_on": 1}
    assert made.ledger.entries["v2"].state == "lost_before"


def test_a_table_that_counts_other_frames_is_refused(own: Bench) -> None:
    write_index(own, video_info={"v1": [30.0, 10.0, 600.0, 200]})
    with pytest.raises(DataError, match="v1: its array has 90 frames, and the table of videos says 200"):
        own.student()


def test_an_array_that_is_cut_short_is_refused(own: Bench) -> None:
    path = own.root / "rgb" / "v1.npy"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"v1\.npy"):
        own.student()


def test_a_split_without_windows_and_one_that_is_not_there_are_refused(own: Bench) -> None:
    with pytest.raises(ConfigError, match="no videos of the split train") as refused:
        own.student(split="train")
    assert "it has test, val" in str(refused.value.hint)
    with pytest.raises(DataError, match="no instance of val lies in a window of 16 frames"):
        own.parts = {**own.parts, "v1": ("val", [("Bow", 1.0, 4.4)]), "v2": ("val", [("Clap", 2.0, 6.0)])}
        write_index(own)
        own.student(frames=16, levels=2, stride=16)


def test_a_teacher_of_other_maps_or_classes_is_refused(own: Bench) -> None:
    teacher = own.teacher(epochs=1)
    with pytest.raises(DataError, match="the teacher has size = 16, the student 20"):
        own.student("kd", teacher, size=20)
    write_index(own, ("Bow", "Jump", "Clap"))
    with pytest.raises(DataError, match="the teacher tells 3 classes apart, and they are not the 3 of the dataset"):
        own.student("kd", teacher)
